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
"E0201" "unknown feature"
"`only` and `drop` take names of features and globs. A name that fits nothing would silently select nothing."
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
"E0301" "two nodes with one name"
"The nodes of all sections share one name space, so that `input` can name any of them."
wrong "spec = 1

[sources.office]
path = \"capture.pcap\"

[sinks.office]
path = \"flows.csv\"
" right "spec = 1

[sources.office]
path = \"capture.pcap\"

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
"Two sinks would write the same file."
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
}

/// The explanation of a code.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|one| one.code.eq_ignore_ascii_case(code))
}
