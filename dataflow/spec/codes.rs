//! The codes of diagnostics: what each means, with a spec that has the fault and one that has not.

/// A code and its explanation.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `E0005`.
    pub code: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// Why it is a fault, and what to do.
    pub text: &'static str,
    /// A spec with the fault.
    pub wrong: &'static str,
    /// The same without it.
    pub right: &'static str,
}

macro_rules! codes {
    ($($code:literal $title:literal $text:literal wrong $wrong:literal right $right:literal)+) => {
        /// Every code that can occur, in order.
        pub const CODES: &[Code] = &[$(Code {
            code: $code, title: $title, text: $text, wrong: $wrong, right: $right,
        },)+];
    };
}

codes! {
"E0001" "not TOML"
"The file is not TOML. The marked place is where reading stopped; the fault may be a little before it: a quote or bracket that is not closed, a value without quotes."
wrong "spec = 1

[sources]
path = capture.pcap

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0002" "unknown version of the language"
"`spec` names the version of the language that the file is written in. This program reads version 1; a later version needs a later program."
wrong "spec = 2

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0003" "beyond a limit"
"A spec is at most 16 files of at most 1 MiB, tables and lists in them are nested at most 64 deep, and it has at most 10,000 nodes and computed columns, one flow table and one feature set."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[flows.short]
idle_timeout = \"15s\"

[flows.long]
idle_timeout = \"10m\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[flows]
idle_timeout = { tcp = \"10m\", other = \"15s\" }

[sinks]
path = \"flows.csv\"
"
"E0005" "unknown key or section"
"Nothing in a spec is ignored: a key that is not known would be a setting that has no effect. Look for a spelling mistake, or for a key below the wrong header."
wrong "spec = 1

[source]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0006" "missing key"
"A key that has no default is not there. A sink needs a `type` where the ending of its path does not say it."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows\"
type = \"csv\"
"
"E0007" "wrong kind of value"
"Another kind of value is needed: text needs quotes, lists brackets, and `true` is no text."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[flows]
terminate = false

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[flows]
terminate = \"never\"

[sinks]
path = \"flows.csv\"
"
"E0008" "value not allowed"
"The value is of the right kind, but not one of those that the key may have."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.parquet\"
compression = \"zstandard\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.parquet\"
compression = \"zstd\"
"
"E0009" "keys beside named nodes"
"A section holds either the keys of its only node, or nodes with names, not both: it would not be clear whom the keys belong to."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"

[sinks.all]
path = \"flows.parquet\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks.text]
path = \"flows.csv\"

[sinks.all]
path = \"flows.parquet\"
"
"E0010" "key as name of a node"
"A header that names a key of its section is that key, so no node can have that name."
wrong "spec = 1

[sources.path]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources.office]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0011" "not a name"
"Names of nodes have lower-case letters, digits and `_`, begin with a letter, have at most 63 characters and are no word of the expression language."
wrong "spec = 1

[sources.Office-1]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources.office_1]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0012" "key there twice"
"A key or section can be there once. Which of two values is meant cannot be known."
wrong "spec = 1

[sources]
path = \"monday.pcap\"
path = \"tuesday.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = [\"monday.pcap\", \"tuesday.pcap\"]

[sinks]
path = \"flows.csv\"
"
"E0100" "`=` in an expression"
"A comparison is written `==`. One `=` gives an argument its name: `std(pkt.len, ddof=1)`."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[filters.some]
where = 'dst_port = 443'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[filters.some]
where = 'dst_port == 443'

[sinks]
path = \"flows.csv\"
"
"E0101" "no word of the language"
"A character in an expression has no meaning there. Text stands in quotes, and nothing is escaped in it."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'bytes_fwd ; 2'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'bytes_fwd / 2'

[sinks]
path = \"flows.csv\"
"
"E0102" "another word expected"
"The words of an expression do not fit together at the marked place."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'packets_fwd packets_bwd'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'packets_fwd + packets_bwd'

[sinks]
path = \"flows.csv\"
"
"E0103" "the expression ends too early"
"Something is missing at the end: an operand, a bracket, `else` of an `if`."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = '(packets_fwd + packets_bwd'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = '(packets_fwd + packets_bwd)'

[sinks]
path = \"flows.csv\"
"
"E0104" "a quote that is not closed"
"A text begins and ends with the same quote. Nothing is escaped in it: a text that has `\"` in it stands between `'`."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'tls_sni == \"a'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'tls_sni == \"a\"'

[sinks]
path = \"flows.csv\"
"
"E0105" "not a number"
"What begins with a digit is a number, a number with a unit (`10s`, `64KiB`), an address or a network."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'duration > 10sec'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'duration > 10s'

[sinks]
path = \"flows.csv\"
"
"E0106" "too large"
"An expression has at most 64 KiB, 1,024 operators, and parts inside each other 64 deep. Larger ones are taken apart: derived columns may use each other."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = '((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = '(1)'

[sinks]
path = \"flows.csv\"
"
"E0107" "comparisons in a row"
"`a < b < c` would compare a truth with c. Both comparisons are written out and joined by `and`."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = '1 < packets_fwd < 10'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = '1 < packets_fwd and packets_fwd < 10'

[sinks]
path = \"flows.csv\"
"
"E0109" "unknown function"
"There is no function or aggregate of this name; docs/SPEC.md lists them."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'squareroot(packets_fwd)'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'sqrt(packets_fwd)'

[sinks]
path = \"flows.csv\"
"
"E0201" "unknown feature or field"
"`only` and `drop` take names of features and globs, expressions names of features and derived columns. A name that fits nothing would silently select nothing."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features]
only = [\"src_ip\", \"iat_meen\"]

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features]
only = [\"src_ip\", \"iat_mean\"]

[sinks]
path = \"flows.csv\"
"
"E0202" "unknown packet field"
"`pkt.` is followed by the name of a field of packets: `pkt.len`, `pkt.tcp.window`."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'mean(pkt.lenght)'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'mean(pkt.len)'

[sinks]
path = \"flows.csv\"
"
"E0203" "no value"
"The name stands for something that expressions cannot read, or a value has no such part."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features]
splt = true
derive = { x = 'len(splt)' }

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'packets_fwd + packets_bwd'

[sinks]
path = \"flows.csv\"
"
"E0204" "a condition needed"
"`where`, `if`, `and`, `or` and `not` are for truths. Numbers and texts are none: compare them."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[filters.some]
where = 'packets_bwd'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[filters.some]
where = 'packets_bwd > 0'

[sinks]
path = \"flows.csv\"
"
"E0205" "values of different types"
"The branches of `if`, the sides of `??` and the entries of a list have one type."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'if tls_detected then 1 else \"no\"'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'if tls_detected then \"yes\" else \"no\"'

[sinks]
path = \"flows.csv\"
"
"E0206" "no type"
"`null` alone and empty lists have no type, and bytes no column: nothing could be written."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'null'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'if packets_fwd > 1 then packets_fwd else null'

[sinks]
path = \"flows.csv\"
"
"E0207" "wrong type"
"An operator or function does not take values of this type."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'tls_sni + 1'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'tls_sni + text(1)'

[sinks]
path = \"flows.csv\"
"
"E0208" "compared with null"
"A comparison with null is null, never true: it would choose nothing."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[filters.some]
where = 'tls_sni != null'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[filters.some]
where = 'tls_sni is not null'

[sinks]
path = \"flows.csv\"
"
"E0209" "not a pattern"
"`matches` takes a regular expression that is written out: it is compiled before a packet is read."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'tls_sni matches \"(\"'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'tls_sni matches \"[.]org$\"'

[sinks]
path = \"flows.csv\"
"
"E0210" "packet field outside of an aggregate"
"A flow has many packets: a field of theirs has to be aggregated to be a value of the flow."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'pkt.payload_len > 0'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'mean(pkt.payload_len) > 0'

[sinks]
path = \"flows.csv\"
"
"E0211" "aggregate in the wrong place"
"Aggregates do not nest, and `prev` and `delta` stand inside of one, not in its `where`."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'mean(sum(pkt.len))'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'mean(pkt.len)'

[sinks]
path = \"flows.csv\"
"
"E0212" "unit missing"
"A duration or size is text with a unit: a bare number would be seconds to one reader and milliseconds to another."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[flows]
idle_timeout = 60

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[flows]
idle_timeout = \"60s\"

[sinks]
path = \"flows.csv\"
"
"E0213" "flow column in an aggregate"
"An aggregate is computed while packets arrive: of the columns of the flow it knows only those that are fixed at the first packet (`src_ip`, `dst_ip`, `src_port`, `dst_port`, `protocol`, `start_time`)."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'count(where pkt.len > duration)'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'count(where pkt.len > 100) / packets_fwd'

[sinks]
path = \"flows.csv\"
"
"E0214" "wrong arguments"
"A function or aggregate was given too few or too many values, or an option that it does not have."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'quantile(pkt.len, 7)'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
x = 'quantile(pkt.len, 0.7)'

[sinks]
path = \"flows.csv\"
"
"E0301" "two of one name"
"The nodes of all sections share one name space, so that `input` can name any of them; sinks, which nobody reads, have one of their own. Two columns of a table need two names too: those that `derive` and `rename` give among them."
wrong "spec = 1

[sources.office]
path = \"capture.pcap\"

[filters.office]
where = 'protocol == 6'

[sinks.out]
path = \"flows.csv\"
" right "spec = 1

[sources.office]
path = \"capture.pcap\"

[filters.tcp]
where = 'protocol == 6'

[sinks.out]
path = \"flows.csv\"
"
"E0302" "unknown node"
"`input` names a node that does not exist."
wrong "spec = 1

[sources.office]
path = \"capture.pcap\"

[flows]
input = \"ofice\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources.office]
path = \"capture.pcap\"

[flows]
input = \"office\"

[sinks]
path = \"flows.csv\"
"
"E0303" "several inputs possible"
"A node that names no `input` reads the only one there is; where there are several, or where a filter has several outputs, one has to be named."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[filters.kind]
routes = { tcp = 'protocol == 6', rest = 'else' }

[sinks]
path = \"flows.csv\"
input = \"kind\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[filters.kind]
routes = { tcp = 'protocol == 6', rest = 'else' }

[sinks]
path = \"flows.csv\"
input = \"kind.tcp\"
"
"E0304" "wrong kind of input"
"Packets go into flow tables, flow records into feature sets, rows into sinks."
wrong "spec = 1

[sources.office]
path = \"capture.pcap\"

[sinks]
input = \"office\"
path = \"flows.csv\"
" right "spec = 1

[sources.office]
path = \"capture.pcap\"

[sinks]
input = \"features\"
path = \"flows.csv\"
"
"E0305" "depends on itself"
"Columns or nodes need each other in a circle: none of them could be computed first."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
a = 'b + 1'
b = 'a - 1'

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
a = 'b + 1'
b = 'packets_fwd - 1'

[sinks]
path = \"flows.csv\"
"
"E0306" "no source"
"Without a source there is nothing to read."
wrong "spec = 1

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0307" "no sink"
"Without a sink nothing would be computed: everything is done backwards from the sinks."
wrong "spec = 1

[sources]
path = \"capture.pcap\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0410" "`emit` where nothing is emitted"
"`emit` says when rows of a view, or of a table of the graph, are written. A row of flows is written once."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
emit = \"changes\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0411" "column missing at a sink"
"`columns` of a sink takes names of columns that its rows have, and globs that fit at least one."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
columns = [\"src_ip\", \"dst_pi\"]
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
columns = [\"src_ip\", \"dst_ip\"]
"
"E0412" "one path written twice"
"Two sinks would write the same file, or could: where a path has places for values, any value counts."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks.a]
path = \"flows.csv\"

[sinks.b]
path = \"./flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks.a]
path = \"flows.csv\"

[sinks.b]
path = \"more.csv\"
"
"E0413" "the first rows of an input without an end"
"`dedup` and `limit` of a filter take the rows that started first, and those are known when the input has ended: they cannot follow one that grows."
wrong "spec = 1

[sources]
path = \"capture.pcap\"
follow = true

[filters]
limit = 100

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[filters]
limit = 100

[sinks]
path = \"flows.csv\"
"
"E0414" "an output that cannot be written"
"The file of a sink is there already, and nothing is overwritten unasked, or its folder is not there. Only `check --deep` says so before the run does."
wrong "spec = 1

[sources]
path = \"-\"

[sinks]
path = \"none/flows.csv\"
" right "spec = 1

[sources]
path = \"-\"

[sinks]
path = \"flows.csv\"
overwrite = true
"
"E0501" "no such variable"
"`${NAME}` stands for a variable, which `[vars.NAME]` declares, and which has a value: its default, `--set NAME=VALUE`, or `JAYFLOW_VAR_NAME` in the environment. For the two letters `${` themselves write `$${`."
wrong "spec = 1

[vars.day]
type = \"text\"
default = \"monday\"

[sources]
path = \"${dya}.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[vars.day]
type = \"text\"
default = \"monday\"

[sources]
path = \"${day}.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0502" "value that a variable cannot have"
"The value of a variable is of its `type`, one of its `choices` and within `min` and `max`, wherever it comes from."
wrong "spec = 1

[vars.idle]
type = \"duration\"
default = \"1h\"
max = \"10m\"

[sources]
path = \"capture.pcap\"

[flows]
idle_timeout = \"${idle}\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[vars.idle]
type = \"duration\"
default = \"5m\"
max = \"10m\"

[sources]
path = \"capture.pcap\"

[flows]
idle_timeout = \"${idle}\"

[sinks]
path = \"flows.csv\"
"
"E0503" "nothing there to extend or include"
"`extends` names a preset of the program, with a version or without, or a file; `include` names files. A name with a `/` or the ending `.toml` is a file."
wrong "spec = 1
extends = \"joyfuljoy\"

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1
extends = \"joyfuljay\"

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0504" "specs that extend each other"
"A spec extends at most one other, that one another, and so on, at most eight deep and never in a circle: it would not be clear which of two values counts."
wrong "spec = 1
extends = \"./spec.toml\"

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0505" "not allowed for this spec"
"An included file lies in the directory of the spec or below it. With `--untrusted-spec` the same is true of every path in a spec, and it may not name secrets or the environment."
wrong "spec = 1
include = [\"../sinks.toml\"]

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
"
"E0506" "secret in a wrong place"
"`${secret:NAME}` and `${env:NAME}` are for keys that hold secrets, such as `anonymise.key`: those are never printed, hashed or written into outputs. Anywhere else use a variable."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[flows]
idle_timeout = \"${env:IDLE}\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[vars.idle]
type = \"duration\"
default = \"60s\"

[sources]
path = \"capture.pcap\"

[flows]
idle_timeout = \"${idle}\"

[sinks]
path = \"flows.csv\"
"
"E0507" "secret not found"
"`${secret:NAME}` is the content of the file NAME in the directory that `--secrets` names, or else the variable NAME of the environment; `${env:NAME}` is the latter only. Looked for before a run, not by `jayflow check`."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
anonymise = { key = \"${secret:NO_SUCH_KEY}\" }
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"
anonymise = { key_file = \"anonymise.key\" }
"
"E0601" "variable without a value"
"A variable of a rule has no value: no relation of its body that must be there names it, and no `name = expression` does. What stands behind `not` binds nothing."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
talks(a, b) :- flows(src_ip: a, dst_ip: c).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
talks(a, b) :- flows(src_ip: a, dst_ip: b).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
"E0602" "`not`, `count` or `sum` inside a recursion"
"A relation that is made of itself cannot ask whether one of its rows is missing, nor count or add them up: the answer would change itself. `min` and `max` may be recursive."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
quiet(a) :- flows(src_ip: a), not quiet(a).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
quiet(a) :- flows(src_ip: a), not flows(dst_ip: a).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
"E0603" "relations that nothing joins"
"Two relations of a body share no variable, so that every row of one would meet every row of the other."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
meets(a, b) :- flows(src_ip: a), flows(dst_ip: b).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
meets(a, b) :- flows(src_ip: a, dst_ip: c), flows(src_ip: c, dst_ip: b).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
"E0604" "a recursion through `min` or `max` without one end"
"What a recursive `min` gives may only be passed on, added to, or compared as `v <= e` (of `max`: `v >= e`). Otherwise a better value can take back what it led to, and the recursion has no one end."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
first(a, b, t: min(s)) :- flows(src_ip: a, dst_ip: b, start_time: s).
first(a, b: c, t: min(s)) :- first(a, b, t), flows(src_ip: b, dst_ip: c, start_time: s), s - t <= 1h.
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
max_iterations = 50
rules = '''
near(a, b, hops: min(n)) :- flows(src_ip: a, dst_ip: b), n = 1.
near(a, b: c, hops: min(n + 1)) :- near(a, b, hops: n), flows(src_ip: b, dst_ip: c).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
"E0605" "a view of everything, of an input without an end"
"A view without windows keeps all that ever came, and a file that is followed has no end. Give the view a window, or say with `max_rows` how large it may become. Windows by `start_time` close when no record can have started in them any more: that needs an `active_timeout`."
wrong "spec = 1

[sources]
path = \"growing.pcap\"
follow = true

[views.v]
group_by = [\"src_ip\"]
select = { flows = \"count()\" }

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"growing.pcap\"
follow = true

[views.v]
group_by = [\"src_ip\"]
select = { flows = \"count()\" }
window = { sliding = \"5m\", step = \"10s\" }

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
"E0606" "a column that is aggregated in one rule only"
"All rules of a relation make its columns in the same way: one that is aggregated in one of them is in each."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
n(a, k: count(b)) :- flows(src_ip: a, dst_ip: b).
n(a, k: p) :- flows(src_ip: a, dst_port: p).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
n(a, k: count(b)) :- flows(src_ip: a, dst_ip: b).
n(a, k: count(b)) :- flows(dst_ip: a, src_ip: b).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
"E0607" "a view that cannot run"
"A relation has at least one and at most 8 columns, the same ones in all of its rules, and a type that a rule tells without recursion. A view of groups keeps at most 8 values of a row and 8 of a group: take a wider one apart. Texts and addresses that are joined or grouped are compared by `==` and `!=` only: ask more of them where `flows` is read alone, or in `where`. A view is written as groups or as rules, not both. A view has the window of the views that it reads. A sink over a view has no `where`."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
a(x) :- a(x).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
a(x) :- flows(src_ip: x).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
"E0690" "a recursion that did not end"
"The rules of a view made new rows in each of `max_iterations` turns of a recursion. Its result is not whole, so the run fails and nothing is written. Bound what the rules make anew (`n < 100`), or let the view take more turns."
wrong "spec = 1

[sources]
path = \"examples/sample.pcap\"

[views.v]
max_iterations = 10
rules = '''
up(n) :- flows(total_packets: n).
up(n: n + 1) :- up(n).
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"examples/sample.pcap\"

[views.v]
max_iterations = 200
rules = '''
up(n) :- flows(total_packets: n).
up(n: n + 1) :- up(n), n < 100.
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
"E0691" "a view that grew too large"
"A relation of a view had more rows after a tick than `max_rows` allows. The run fails before memory runs out, and nothing is written. Give the view a window or a narrower condition, join its relations by more, or let it have more rows."
wrong "spec = 1

[sources]
path = \"examples/sample.pcap\"

[views.v]
group_by = \"src_ip\"
max_rows = 1

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"examples/sample.pcap\"

[views.v]
group_by = \"src_ip\"
max_rows = 100000
window = { sliding = \"60s\", step = \"10s\" }

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
"E0701" "less was matched than was expected"
"Of the rows that came to a join a smaller share was matched by its file than `expect_matched` asks for. The run fails and nothing is written. Usual causes: another time zone or form of times, a clock that runs wrong, labels that have the ends of a flow the other way round (`either_direction`)."
wrong "spec = 1

[sources]
path = \"examples/sample.pcap\"

[joins.labels]
with = \"csv\"
path = \"specs/label_join.csv\"
on = { src_port = \"Source Port\" }
columns = { label = \"Label\" }
expect_matched = 0.9

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"examples/sample.pcap\"

[joins.labels]
with = \"csv\"
path = \"specs/label_join.csv\"
on = { src_port = \"Source Port\" }
columns = { label = \"Label\" }

[sinks]
path = \"flows.csv\"
"
"E0703" "no such file"
"An input is not there, or nothing fits a glob. Relative paths start from the directory of the spec file. Looked at by `jayflow check --deep` and before every run."
wrong "spec = 1

[sources]
path = \"no-such-directory/*.pcap\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"-\"

[sinks]
path = \"flows.csv\"
"
"E0704" "no such column of a file"
"A join names a column that its file has not, or has twice, or a path that no record of a database has. Blanks around the names in a header do not count. Looked at by `jayflow check --deep` and before every run."
wrong "spec = 1

[sources]
path = \"examples/sample.pcap\"

[joins.labels]
with = \"csv\"
path = \"specs/label_join.csv\"
on = { src_ip = \"Source IP\" }
columns = { label = \"Lable\" }

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"examples/sample.pcap\"

[joins.labels]
with = \"csv\"
path = \"specs/label_join.csv\"
on = { src_ip = \"Source IP\" }
columns = { label = \"Label\" }

[sinks]
path = \"flows.csv\"
"
"E0705" "times of another form"
"None of the first 1,000 times of a file is written as `format` says. `%Y` is the year with four digits, `%y` with two; `%H` hours from 0 to 23, `%I` from 1 to 12 with `%p`; `%.f` a fraction of a second."
wrong "spec = 1

[sources]
path = \"examples/sample.pcap\"

[joins.labels]
with = \"csv\"
path = \"specs/label_join.csv\"
on = { src_ip = \"Source IP\" }
columns = { label = \"Label\" }
time = { from = \"Timestamp\", format = \"%m/%d/%Y\", tolerance = \"60s\" }

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources]
path = \"examples/sample.pcap\"

[joins.labels]
with = \"csv\"
path = \"specs/label_join.csv\"
on = { src_ip = \"Source IP\" }
columns = { label = \"Label\" }
time = { from = \"Timestamp\", format = \"%d/%m/%Y %H:%M:%S\", tolerance = \"60s\" }

[sinks]
path = \"flows.csv\"
"
"E0801" "test of what is not there"
"A test speaks of a column or a node that does not exist. That is an error, never a test that passes."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"

[tests.dns]
packets = [{ src = \"10.0.0.1:5000\", dst = \"10.0.0.2:53\", udp = { payload = \"hex:00\" } }]
expect = { dst_prot = 53 }
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"

[tests.dns]
packets = [{ src = \"10.0.0.1:5000\", dst = \"10.0.0.2:53\", udp = { payload = \"hex:00\" } }]
expect = { dst_port = 53 }
"
"E0802" "test that says nothing"
"A test has `rows`, `expect`, `none` or `golden`: what must be true of the rows. An entry of `expect` has columns besides `where`."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"

[tests.dns]
packets = [{ src = \"10.0.0.1:5000\", dst = \"10.0.0.2:53\", udp = { payload = \"hex:00\" } }]
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"

[tests.dns]
packets = [{ src = \"10.0.0.1:5000\", dst = \"10.0.0.2:53\", udp = { payload = \"hex:00\" } }]
rows = 1
expect = { dst_port = 53, duration = \"< 1\" }
"
"E0803" "test without packets, or with two kinds"
"A test reads captures, `input`, or packets that are written in it, `packets`: one of the two."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"

[tests.dns]
rows = 1
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"

[tests.dns]
input = \"dns.pcap\"
rows = 1
"
"E0804" "packet that cannot be made"
"A packet of a test has `src` and `dst`, addresses of one kind with ports (without, for ICMP), and one of `udp`, `tcp` and `icmp`. Anything else comes from a capture."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"

[tests.dns]
rows = 1
packets = [{ src = \"10.0.0.1\", dst = \"10.0.0.2:53\", udp = {} }]
" right "spec = 1

[sources]
path = \"capture.pcap\"

[sinks]
path = \"flows.csv\"

[tests.dns]
rows = 1
packets = [{ src = \"10.0.0.1:5000\", dst = \"10.0.0.2:53\", udp = {} }]
"
"W0401" "node without reader"
"A node gives something that nothing reads: it is left out of the run."
wrong "spec = 1

[sources.office]
path = \"capture.pcap\"

[sources.home]
path = \"more.pcap\"

[flows]
input = \"office\"

[sinks]
path = \"flows.csv\"
" right "spec = 1

[sources.office]
path = \"capture.pcap\"

[sources.home]
path = \"more.pcap\"

[flows]
input = [\"office\", \"home\"]

[sinks]
path = \"flows.csv\"
"
"W0402" "rows without a route"
"Rows that match no route of a filter go nowhere. They are counted; `else` gives them a way."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[filters.kind]
routes = { tcp = 'protocol == 6' }

[sinks]
path = \"flows.csv\"
input = \"kind.tcp\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[filters.kind]
routes = { tcp = 'protocol == 6', rest = 'else' }

[sinks]
path = \"flows.csv\"
input = [\"kind.tcp\", \"kind.rest\"]
"
"W0403" "a column that is dropped everywhere"
"A derived column that no sink writes and no expression, filter, view, join or test reads is not computed at all. It is in no `columns` of a sink, or its name is not the one that was meant."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
rate = 'total_bytes / duration'

[sinks]
path = \"flows.csv\"
columns = [\"src_ip\", \"dst_ip\"]
" right "spec = 1

[sources]
path = \"capture.pcap\"

[features.derive]
rate = 'total_bytes / duration'

[sinks]
path = \"flows.csv\"
columns = [\"src_ip\", \"dst_ip\", \"rate\"]
"
"W0608" "new values in a recursion"
"Each turn of the recursion computes a new value, so it may never end. `max_iterations` bounds it; a run that needs more turns fails."
wrong "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
rules = '''
up(n) :- flows(total_packets: n).
up(n: n + 1) :- up(n), n < 9.
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
" right "spec = 1

[sources]
path = \"capture.pcap\"

[views.v]
max_iterations = 20
rules = '''
up(n) :- flows(total_packets: n).
up(n: n + 1) :- up(n), n < 9.
'''

[sinks.out]
input = \"v\"
path = \"out.csv\"
"
}

/// The explanation of a code.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|one| one.code.eq_ignore_ascii_case(code))
}
