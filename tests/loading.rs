//! What a spec is made of: variables, secrets, the spec it extends, the files it includes.

use expect_test::{Expect, expect};
use jayflow::spec::diagnostic::Source;
use jayflow::spec::{Diagnostics, Loaded, Spec, format};
use jayflow_operators::options::Setting;
use std::path::{Path, PathBuf};

/// A spec, `main.toml` of the folder `d`, among files there.
fn load(text: &str, files: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
    trusted(text, files, false)
}

fn trusted(text: &str, files: &[(&str, &str)], untrusted: bool) -> Result<Loaded, Diagnostics> {
    let source = Source {
        name: "d/main.toml".to_owned(),
        text: text.to_owned(),
        base: PathBuf::from("d"),
    };
    Loaded::with_files(source, untrusted, &|path: &Path| {
        let file = files.iter().find(|(name, _)| Path::new(name) == path);
        match file {
            Some((_, text)) => Ok(text.as_bytes().to_vec()),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    })
}

fn check(text: &str, files: &[(&str, &str)]) -> Result<Spec, Diagnostics> {
    load(text, files)?.check()
}

fn shows(found: Result<Spec, Diagnostics>, expected: &Expect) {
    let found = found.expect_err("the spec is wrong");
    expected.assert_eq(&found.text(false));
}

const ENDS: &str = "[sources]\npath = \"a.pcap\"\n[sinks]\npath = \"a.csv\"\n";

/// A spec with these lines at the top.
fn with(top: &str) -> String {
    format!("spec = 1\n{top}\n{ENDS}")
}

#[test]
fn variables_keep_their_types_and_stand_in_texts() {
    let text = "spec = 1
name = \"${day} $${day}\"
[vars.day]
type = \"text\"
default = \"monday\"
[vars.idle]
type = \"duration\"
default = \"30s\"
[vars.limit]
type = \"int\"
[sources]
path = [\"${day}/*.pcap\", \"x-${limit}-${day}.pcap\"]
limit = \"${limit}\"
[flows]
idle_timeout = { tcp = \"${idle}\" }
[sinks]
path = \"a.csv\"
";
    let mut loaded = load(text, &[]).unwrap();
    loaded.environment(|name| match name {
        "JAYFLOW_VAR_DAY" => Some("friday".to_owned()),
        "JAYFLOW_VAR_limit" => Some("7".to_owned()),
        _ => None,
    });
    loaded.set("limit=12").unwrap();
    let spec = loaded.check().unwrap();
    assert_eq!(spec.name.as_deref(), Some("friday ${day}"));
    let source = &spec.sources[0].options;
    assert_eq!(source.path, ["d/friday/*.pcap", "d/x-12-friday.pcap"]);
    assert_eq!(source.limit, Some(12));
    let values: Vec<_> = spec
        .variables
        .iter()
        .map(|one| (one.name.as_str(), one.value.clone()))
        .collect();
    assert_eq!(
        values,
        [
            ("day", Some(Setting::Text("friday".to_owned()))),
            ("idle", Some(Setting::Text("30s".to_owned()))),
            ("limit", Some(Setting::Int(12))),
        ]
    );
    // The text that goes into outputs gives the same spec by itself.
    let again = Loaded::text("again", spec.text.as_str(), PathBuf::from("d"));
    let again = again.unwrap().check().unwrap();
    assert_eq!(again.sources[0].options.path, source.path);
    assert_eq!(again.variables, spec.variables);
}

#[test]
fn a_path_from_the_command_line_starts_there() {
    let text = "spec = 1
[vars.cap]
type = \"path\"
default = \"a.pcap\"
[vars.dir]
type = \"path\"
default = \"x\"
[sources]
path = [\"${cap}\", \"${dir}/b.pcap\", \"c/${cap}\"]
[sinks]
path = \"a.csv\"
";
    let mut loaded = load(text, &[]).unwrap();
    let paths = |loaded: &Loaded| loaded.check().unwrap().sources[0].options.path.clone();
    assert_eq!(paths(&loaded), ["d/a.pcap", "d/x/b.pcap", "d/c/a.pcap"]);
    loaded.set("cap=z.pcap").unwrap();
    loaded.set("dir=y").unwrap();
    assert_eq!(paths(&loaded), ["z.pcap", "y/b.pcap", "d/c/z.pcap"]);
}

#[test]
fn wrong_variables() {
    shows(
        check(
            &with(
                "description = \"${dya} ${dya} ${x ${PG_URL}\"\n[vars.day]\ntype = \"text\"\ndefault = 1\n[vars.n]\ntype = \"int\"\ndefault = 7\nchoices = [1, 2]\n[vars.t]\ntype = \"text\"\nmin = \"a\"\n[vars.sinks]\ntype = \"bool\"\n[vars.u]\ndefault = 1\n[vars]\nv = 1",
            ),
            &[],
        ),
        &expect![[r#"
            error[E0501]: no variable `dya` is declared
             --> d/main.toml:2:16 (description)
              |
            2 | description = "${dya} ${dya} ${x ${PG_URL}"
              |                ^^^^^^
              = help: did you mean `day`?
              = see `jayflow help E0501`

            error[E0501]: no variable `x ${PG_URL` is declared
             --> d/main.toml:2:30 (description)
              |
            2 | description = "${dya} ${dya} ${x ${PG_URL}"
              |                              ^^^^^^^^^^^^^
              = help: declare it: `[vars.NAME]` with a `type`
              = see `jayflow help E0501`

            error[E0007]: expected text, found an integer
             --> d/main.toml:5:11 (vars.day.default)
              |
            5 | default = 1
              |           ^
              = help: `default`: Its value where nothing else is given; without one, it must be set
              = see `jayflow help E0007`

            error[E0502]: expected one of 1, 2, found 7
             --> d/main.toml:8:11 (vars.n.default)
              |
            8 | default = 7
              |           ^
              = help: the default is a value that the variable may have
              = see `jayflow help E0502`

            error[E0008]: `min` does not fit a variable of type `text`
              --> d/main.toml:12:7 (vars.t.min)
               |
            12 | min = "a"
               |       ^^^
               = help: it is for numbers, durations, sizes and times, and written as they are
               = see `jayflow help E0008`

            error[E0011]: `sinks` cannot be the name of a variable
              --> d/main.toml:13:7 (vars.sinks)
               |
            13 | [vars.sinks]
               |       ^^^^^
               = help: it is a key or section of specs, which `--set` would mean
               = see `jayflow help E0011`

            error[E0006]: `[vars.u]` needs the key `type`
              --> d/main.toml:15:7 (vars.u.type)
               |
            15 | [vars.u]
               |       ^
               = help: `jayflow new` shows what `type` may be
               = see `jayflow help E0006`

            error[E0007]: expected a table, found an integer
              --> d/main.toml:18:5 (vars.v)
               |
            18 | v = 1
               |     ^
               = help: write `[vars.v]` and its keys below
               = see `jayflow help E0007`
        "#]],
    );
    let mut loaded = load(
        &with("[vars.t]\ntype = \"duration\"\ndoc = \"the time-out\"\nmin = \"1s\"\n[flows]\nidle_timeout = \"${t}\""),
        &[],
    )
    .unwrap();
    shows(
        loaded.check(),
        &expect![[r#"
        error[E0501]: the variable `t` has no value
         --> d/main.toml:7:17 (flows.idle_timeout)
          |
        7 | idle_timeout = "${t}"
          |                 ^^^^
          = help: set it: `--set t=...`, or give it a `default`
          = see `jayflow help E0501`
    "#]],
    );
    loaded.set("t=20").unwrap();
    shows(
        loaded.check(),
        &expect![[r#"
        error[E0502]: `t`: expected a duration such as "60s", found "20"
         --> --set:1:3 (vars.t)
          |
        1 | t=20
          |   ^^
          = help: `t`: the time-out
          = see `jayflow help E0502`
    "#]],
    );
    loaded.set("t=20ms").unwrap();
    loaded.set("tt=20ms").unwrap();
    shows(
        loaded.check(),
        &expect![[r#"
        error[E0502]: `t`: expected 1s or more, found 20ms
         --> --set:1:3 (vars.t)
          |
        1 | t=20ms
          |   ^^^^
          = help: `t`: the time-out
          = see `jayflow help E0502`

        error[E0501]: no variable `tt` is declared
         --> --set:1:1 (tt)
          |
        1 | tt=20ms
          | ^^
          = help: did you mean `t`?
          = see `jayflow help E0501`
    "#]],
    );
}

#[test]
fn a_value_of_another_type_is_told_where_it_is_used() {
    shows(
        check(
            &with("[vars.t]\ntype = \"int\"\ndefault = 60\n[flows]\nidle_timeout = \"${t}\""),
            &[],
        ),
        &expect![[r#"
            error[E0212]: a duration needs a unit
             --> d/main.toml:6:16 (flows.idle_timeout)
              |
            6 | idle_timeout = "${t}"
              |                ^^^^^^
              = help: write `"60s"` (seconds) or `"60ms"`
              = see `jayflow help E0212`
        "#]],
    );
}

#[test]
fn secrets_are_where_secrets_are_and_nowhere_else() {
    let text = "spec = 1\n[sources]\npath = \"a.pcap\"\n[sinks]\npath = \"a.csv\"\nanonymise = { key = \"${secret:K}\" }\n";
    let folder = tempfile::tempdir().unwrap();
    let key = "0123456789abcdef".repeat(4);
    std::fs::write(folder.path().join("K"), format!("{key}\r\n")).unwrap();
    let mut loaded = load(text, &[]).unwrap();
    let spec = loaded.check().unwrap();
    assert!(format!("{spec:?}").contains("Secret(${secret:K})"));
    loaded
        .find_secrets(Some(folder.path()), |_| panic!("it is in a file"))
        .unwrap();
    let spec = loaded.check().unwrap();
    let options = &spec.sinks[0].options.options;
    let secret = options.anonymise().and_then(|one| one.key.clone());
    assert_eq!(secret.unwrap().value(), Some(key.as_str()));
    assert!(!format!("{spec:?} {loaded:?}").contains(&key));
    assert_eq!(spec.text, text);
    // In a directory without it, and without a directory, the environment is asked.
    let other = tempfile::tempdir().unwrap();
    for directory in [Some(other.path()), None] {
        let get = |name: &str| (name == "K").then(|| "k".repeat(32));
        loaded.find_secrets(directory, get).unwrap();
        let found = loaded.find_secrets(directory, |_| None).unwrap_err();
        assert_eq!(found.list[0].code, "E0507");
    }
    let found = loaded.find_secrets(None, |_| None).unwrap_err();
    expect![[r#"
        error[E0507]: the environment has no `K`
         --> d/main.toml:6:22 (sinks.anonymise.key)
          |
        6 | anonymise = { key = "${secret:K}" }
          |                      ^^^^^^^^^^^
          = help: put it into a file of that name and name the directory: `--secrets DIR`
          = see `jayflow help E0507`
    "#]]
    .assert_eq(&found.text(false));
    shows(
        check(
            "spec = 1\nname = \"${env:N}\"\n[sources]\npath = [\"${secret:S}\"]\n[flows]\nkey = [\"${secret:K}\"]\nmax_flows = \"${env:M}\"\n[sinks.a]\npath = \"${secret:P}.csv\"\n[sinks.b]\npath = \"b.csv\"\nanonymise = { key = \"hunter2\" }\n[sinks.c]\npath = \"c.csv\"\nanonymise = { key = \"${secret:K}\", key_file = \"k\" }\n",
            &[],
        ),
        &expect![[r#"
            error[E0506]: `${env:N}` is a secret, and this is no key for secrets
             --> d/main.toml:2:8 (name)
              |
            2 | name = "${env:N}"
              |        ^^^^^^^^^^
              = help: for a value that everybody may see use a variable: `${NAME}`
              = see `jayflow help E0506`

            error[E0008]: the list is empty
             --> d/main.toml:4:8 (sources.path)
              |
            4 | path = ["${secret:S}"]
              |        ^^^^^^^^^^^^^^^
              = help: name at least one input
              = see `jayflow help E0008`

            error[E0506]: `${secret:S}` is a secret, and this is no key for secrets
             --> d/main.toml:4:9 (sources.path[0])
              |
            4 | path = ["${secret:S}"]
              |         ^^^^^^^^^^^^^
              = help: for a value that everybody may see use a variable: `${NAME}`
              = see `jayflow help E0506`

            error[E0506]: `${secret:K}` is a secret, and this is no key for secrets
             --> d/main.toml:6:8 (flows.key[0])
              |
            6 | key = ["${secret:K}"]
              |        ^^^^^^^^^^^^^
              = help: for a value that everybody may see use a variable: `${NAME}`
              = see `jayflow help E0506`

            error[E0506]: `${env:M}` is a secret, and this is no key for secrets
             --> d/main.toml:7:13 (flows.max_flows)
              |
            7 | max_flows = "${env:M}"
              |             ^^^^^^^^^^
              = help: for a value that everybody may see use a variable: `${NAME}`
              = see `jayflow help E0506`

            error[E0506]: `${secret:P}.csv` is a secret, and this is no key for secrets
             --> d/main.toml:9:8 (sinks.a.path)
              |
            9 | path = "${secret:P}.csv"
              |        ^^^^^^^^^^^^^^^^^
              = help: for a value that everybody may see use a variable: `${NAME}`
              = see `jayflow help E0506`

            error[E0007]: expected a secret such as "${secret:NAME}", found text
              --> d/main.toml:12:21 (sinks.b.anonymise.key)
               |
            12 | anonymise = { key = "hunter2" }
               |                     ^^^^^^^^^
               = help: `anonymise`: How its rows are made anonymous: a table `{ addresses, names, key_file, key }`
               = see `jayflow help E0007`

            error[E0008]: `key` and `key_file` are both the key: keep one of the two
              --> d/main.toml:15:13 (sinks.c.anonymise)
               |
            15 | anonymise = { key = "${secret:K}", key_file = "k" }
               |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = help: `anonymise`: How its rows are made anonymous: a table `{ addresses, names, key_file, key }`
               = see `jayflow help E0008`
        "#]],
    );
}

#[test]
fn a_secret_has_a_plain_name() {
    let key = "anonymise = { key = \"${secret:../K}\" }";
    let found = check(&format!("{}{key}\n", with("")), &[]).unwrap_err();
    assert_eq!(found.list.len(), 1);
    assert_eq!(found.list[0].code, "E0506");
}

#[test]
fn the_file_of_a_key_is_named_from_the_spec_file_on() {
    let key = "anonymise = { key_file = \"k\" }";
    let mut loaded = load(&format!("{}{key}\n", with("")), &[]).unwrap();
    let file = |loaded: &Loaded| {
        let spec = loaded.check().unwrap();
        let anonymise = spec.sinks[0].options.options.anonymise().cloned();
        anonymise.and_then(|one| one.key_file)
    };
    assert_eq!(file(&loaded).as_deref(), Some("d/k"));
    loaded.set("sinks.anonymise.key_file=k").unwrap();
    assert_eq!(file(&loaded).as_deref(), Some("k"));
}

#[test]
fn untrusted_specs_stay_in_their_directory() {
    let text = "spec = 1
extends = \"../base.toml\"
[sources]
path = [\"a.pcap\", \"/etc/passwd\", \"../b.pcap\", \"x/../c.pcap\"]
[sinks]
path = \"/tmp/a.csv\"
anonymise = { key_file = \"../key\" }
[run]
hosts = \"/hosts\"
";
    let files = [("base.toml", "spec = 1\n")];
    trusted(text, &files, false).unwrap().check().unwrap();
    let found = trusted(text, &files, true).unwrap_err();
    assert_eq!(found.list.len(), 1, "{}", found.text(false));
    let text = text.replace("../base.toml", "./base.toml");
    let files = [("d/base.toml", "spec = 1\n")];
    let mut loaded = trusted(&text, &files, true).unwrap();
    shows(
        loaded.check(),
        &expect![[r#"
        error[E0505]: `/etc/passwd` is not in the directory of the spec
         --> d/main.toml:4:19 (sources.path)
          |
        4 | path = ["a.pcap", "/etc/passwd", "../b.pcap", "x/../c.pcap"]
          |                   ^^^^^^^^^^^^^
          = help: an untrusted spec reads and writes below its directory only
          = see `jayflow help E0505`

        error[E0505]: `../b.pcap` is not in the directory of the spec
         --> d/main.toml:4:34 (sources.path)
          |
        4 | path = ["a.pcap", "/etc/passwd", "../b.pcap", "x/../c.pcap"]
          |                                  ^^^^^^^^^^^
          = help: an untrusted spec reads and writes below its directory only
          = see `jayflow help E0505`

        error[E0505]: `/tmp/a.csv` is not in the directory of the spec
         --> d/main.toml:6:8 (sinks.path)
          |
        6 | path = "/tmp/a.csv"
          |        ^^^^^^^^^^^^
          = help: an untrusted spec reads and writes below its directory only
          = see `jayflow help E0505`

        error[E0505]: `../key` is not in the directory of the spec
         --> d/main.toml:7:26 (sinks.anonymise.key_file)
          |
        7 | anonymise = { key_file = "../key" }
          |                          ^^^^^^^^
          = help: an untrusted spec reads and writes below its directory only
          = see `jayflow help E0505`

        error[E0505]: `/hosts` is not in the directory of the spec
         --> d/main.toml:9:9 (run.hosts)
          |
        9 | hosts = "/hosts"
          |         ^^^^^^^^
          = help: an untrusted spec reads and writes below its directory only
          = see `jayflow help E0505`
    "#]],
    );
    // Who runs it may.
    loaded.set("sources.path=/x.pcap").unwrap();
    loaded.set("sinks.path=/y.csv").unwrap();
    loaded.set("run.hosts=/hosts").unwrap();
    loaded.set("sinks.anonymise.key_file=/key").unwrap();
    loaded.check().unwrap();
    let secret = with("description = \"\"")
        .replace("a.csv\"", "a.csv\"\nanonymise = { key = \"${env:K}\" }");
    shows(
        trusted(&secret, &[], true).unwrap().check(),
        &expect![[r#"
            error[E0505]: an untrusted spec asks for `${env:K}`
             --> d/main.toml:7:22 (sinks.anonymise.key)
              |
            7 | anonymise = { key = "${env:K}" }
              |                      ^^^^^^^^
              = help: run it without `--untrusted-spec` if you trust it
              = see `jayflow help E0505`
        "#]],
    );
}

/// The merged tree as text.
fn merged(text: &str, files: &[(&str, &str)]) -> String {
    match load(text, files) {
        Ok(loaded) => format::text(&loaded.root),
        Err(found) => found.text(false),
    }
}

#[test]
fn a_spec_is_laid_over_the_one_it_extends() {
    let grandparent = "spec = 1\nname = \"old\"\n[features]\ngroups = [\"timing\", \"size\"]\nonly = \"pkt_len_m*\"\n[sinks.a]\npath = \"a.csv\"\nheader = false\n[sinks.b]\npath = \"b.csv\"\n";
    let parent = "spec = 1\nextends = \"x/top.toml\"\n[features]\ngroups_add = [\"tcp\", \"size\"]\ngroups_drop = \"timing\"\n[flows]\nidle_timeout = { tcp = \"5m\", udp = \"1m\" }\n";
    let child = "spec = 1\nextends = \"./base.toml\"\n[sources]\npath = \"a.pcap\"\n[features]\nonly_add = [\"tcp_*\"]\ndrop_add = \"tcp_psh*\"\n[flows]\nidle_timeout = { udp = \"2m\" }\n[sinks]\nb = \"none\"\n[sinks.a]\npath = \"c.csv\"\n[sinks.c]\npath = \"d.csv\"\n";
    let files = [("d/base.toml", parent), ("d/x/top.toml", grandparent)];
    expect![[r#"
        spec = 1

        [features]
        groups = ["size", "tcp"]
        only = ["pkt_len_m*", "tcp_*"]
        drop = ["tcp_psh*"]

        [sinks.a]
        path = "c.csv"
        header = false

        [sinks.c]
        path = "d.csv"

        [flows]
        idle_timeout = { tcp = "5m", udp = "2m" }

        [sources]
        path = "a.pcap"
    "#]]
    .assert_eq(&merged(child, &files));
    let spec = check(child, &files).unwrap();
    let paths: Vec<_> = spec
        .sinks
        .iter()
        .map(|sink| sink.options.options.path().unwrap_or_default())
        .collect();
    assert_eq!(paths, ["d/c.csv", "d/d.csv"]);
    // Paths and faults belong to the file they are in.
    let files = [
        (
            "d/base.toml",
            "spec = 1\nextends = \"x/top.toml\"\n[flows]\nidle_timeuot = \"1s\"\n",
        ),
        ("d/x/top.toml", grandparent),
    ];
    shows(
        check(
            "spec = 1\nextends = \"base.toml\"\n[sources]\npath = 1\n",
            &files,
        ),
        &expect![[r#"
            error[E0007]: expected text, found an integer
             --> d/main.toml:4:8 (sources.path)
              |
            4 | path = 1
              |        ^
              = help: `path`: A file (also a `.tar` or `.zip` of captures), a glob, a directory, or a list of such; `-` is standard input
              = see `jayflow help E0007`

            error[E0005]: unknown key `idle_timeuot` in `[flows]`
             --> d/base.toml:4:1 (flows.idle_timeuot)
              |
            4 | idle_timeuot = "1s"
              | ^^^^^^^^^^^^
              = help: did you mean `idle_timeout`?
              = see `jayflow help E0005`
        "#]],
    );
    let only = check(
        "spec = 1\nextends = \"x/top.toml\"\n[sources]\npath = \"a\"\n",
        &files,
    );
    let path = only.unwrap().sinks[0]
        .options
        .options
        .path()
        .map(str::to_owned);
    assert_eq!(path.as_deref(), Some("d/x/a.csv"));
}

#[test]
fn a_preset_gives_no_sources_and_sinks() {
    let own =
        "[sources]\npath = \"a.pcap\"\n[flows]\nterminate = \"tcp\"\n[sinks.x]\npath = \"x.csv\"\n";
    for name in ["joyfuljay", "joyfuljay@1"] {
        let spec = check(&format!("spec = 1\nextends = \"{name}\"\n{own}"), &[]).unwrap();
        assert_eq!((spec.sources.len(), spec.sinks.len()), (1, 1));
        assert_eq!(
            (spec.name, spec.flows.options.max_flows),
            (None, 1_000_000_000)
        );
        assert!(spec.text.contains("quantile_exact = 0"), "{}", spec.text);
    }
}

#[test]
fn wrong_ways_to_extend() {
    let loops = [
        ("d/b.toml", "spec = 1\nextends = \"c.toml\"\n"),
        ("d/c.toml", "spec = 1\nextends = \"../d/./b.toml\"\n"),
        ("d/two.toml", "spec = 2\n"),
        ("d/none.toml", "[flows]\n"),
        ("d/bad.toml", "spec = 1\na = \n"),
    ];
    let mut all = String::new();
    for extends in [
        "\"b.toml\"",
        "\"main.toml\"",
        "\"joyfuljoy\"",
        "\"xyz\"",
        "\"joyfuljay@2\"",
        "\"nothing.toml\"",
        "\"two.toml\"",
        "\"none.toml\"",
        "\"bad.toml\"",
        "[\"b.toml\"]",
    ] {
        let found = load(&format!("spec = 1\nextends = {extends}\n"), &loops).unwrap_err();
        all.push_str(&found.text(false));
        all.push('\n');
    }
    expect![[r#"
        error[E0504]: `../d/./b.toml` extends itself: b.toml -> c.toml -> ../d/./b.toml
         --> d/c.toml:2:11 (extends)
          |
        2 | extends = "../d/./b.toml"
          |           ^^^^^^^^^^^^^^^
          = help: break the loop at one of them
          = see `jayflow help E0504`

        error[E0504]: `main.toml` extends itself: main.toml -> main.toml
         --> d/main.toml:2:11 (extends)
          |
        2 | extends = "main.toml"
          |           ^^^^^^^^^^^
          = help: break the loop at one of them
          = see `jayflow help E0504`

        error[E0503]: unknown preset `joyfuljoy`
         --> d/main.toml:2:11 (extends)
          |
        2 | extends = "joyfuljoy"
          |           ^^^^^^^^^^^
          = help: did you mean `joyfuljay`? for a file write `./joyfuljoy.toml`
          = see `jayflow help E0503`

        error[E0503]: unknown preset `xyz`
         --> d/main.toml:2:11 (extends)
          |
        2 | extends = "xyz"
          |           ^^^^^
          = help: the presets are `joyfuljay`, `nfstream`, `nfstream-stats`, `nfstream-core`, `cicflowmeter`, `zeek-conn`, `netflow9`, `ml-small`, `live`; for a file write `./xyz.toml`
          = see `jayflow help E0503`

        error[E0503]: the preset `joyfuljay` has no version `2`
         --> d/main.toml:2:11 (extends)
          |
        2 | extends = "joyfuljay@2"
          |           ^^^^^^^^^^^^^
          = help: there is `joyfuljay@1`
          = see `jayflow help E0503`

        error[E0503]: there is no file `nothing.toml`
         --> d/main.toml:2:11 (extends)
          |
        2 | extends = "nothing.toml"
          |           ^^^^^^^^^^^^^^
          = help: paths are relative to the file that names them
          = see `jayflow help E0503`

        error[E0002]: another version of the language
         --> d/two.toml:1:8 (spec)
          |
        1 | spec = 2
          |        ^
          = help: this program reads `spec = 1`
          = see `jayflow help E0002`

        error[E0006]: that file has no key `spec`
         --> d/main.toml:2:11 (extends)
          |
        2 | extends = "none.toml"
          |           ^^^^^^^^^^^
          = help: begin it with `spec = 1`
          = see `jayflow help E0006`

        error[E0001]: not valid TOML: string values must be quoted, expected literal string
         --> d/bad.toml:2:5
          |
        2 | a =
          |     ^
          = see `jayflow help E0001`

        error[E0007]: expected text, found a list
         --> d/main.toml:2:11 (extends)
          |
        2 | extends = ["b.toml"]
          |           ^^^^^^^^^^
          = help: name one preset or one file
          = see `jayflow help E0007`

    "#]]
    .assert_eq(&all);
    let names: Vec<String> = (0..20).map(|n| format!("d/{n}.toml")).collect();
    let texts: Vec<String> = (0..20)
        .map(|n| format!("spec = 1\nextends = \"{}.toml\"\n", n + 1))
        .collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(texts.iter().map(String::as_str))
        .collect();
    let found = load("spec = 1\nextends = \"0.toml\"\n", &files).unwrap_err();
    assert_eq!(found.list[0].code, "E0504", "{}", found.text(false));
    shows(
        check(
            &with("[features]\nonly_add = \"a\"\ngroups_drop = [\"timing\", 1]\n"),
            &[],
        ),
        &expect![[r#"
            error[E0007]: expected text, found an integer
             --> d/main.toml:4:26 (features.groups_drop[1])
              |
            4 | groups_drop = ["timing", 1]
              |                          ^
              = help: write a text, or a list of such
              = see `jayflow help E0007`

            error[E0008]: `only_add` changes the list `only`, which is not set
             --> d/main.toml:3:1 (features.only_add)
              |
            3 | only_add = "a"
              | ^^^^^^^^
              = help: write `only`
              = see `jayflow help E0008`
        "#]],
    );
    shows(
        check(&with("[features]\ngroups_drop = \"timing\"\n"), &[]),
        &expect![[r#"
            error[E0008]: `timing` is not in the list `groups`
             --> d/main.toml:3:15 (features.groups_drop)
              |
            3 | groups_drop = "timing"
              |               ^^^^^^^^
              = help: to take a group out of `all` write `groups_add = ["-timing"]`
              = see `jayflow help E0008`
        "#]],
    );
}

#[test]
fn included_files_add_nodes() {
    let main = "spec = 1\ninclude = [\"sinks.toml\", \"x/more.toml\"]\n[sources]\npath = \"a.pcap\"\n[sinks.a]\npath = \"a.csv\"\n[flows]\nmax_flows = 5\n";
    let files = [
        ("d/sinks.toml", "[sinks.b]\npath = \"b.csv\"\n"),
        (
            "d/x/more.toml",
            "spec = 1\n[sinks.c]\npath = \"c.csv\"\n[flows]\nidle_timeout = \"1s\"\n",
        ),
    ];
    let spec = check(main, &files).unwrap();
    let paths: Vec<_> = spec
        .sinks
        .iter()
        .map(|sink| sink.options.options.path().unwrap_or_default())
        .collect();
    assert_eq!(paths, ["d/a.csv", "d/b.csv", "d/x/c.csv"]);
    let wrong = [
        (
            "d/sinks.toml",
            "name = \"x\"\nextends = \"joyfuljay\"\n[sinks.a]\npath = \"b.csv\"\n[flows]\nmax_flows = 6\n",
        ),
        ("d/x/more.toml", "spec = 3\ndecode = 1\n"),
    ];
    shows(
        load(main, &wrong).and_then(|loaded| loaded.check()),
        &expect![[r#"
        error[E0005]: an included file has no key `name`
         --> d/sinks.toml:1:1 (name)
          |
        1 | name = "x"
          | ^^^^
          = help: write it into the spec
          = see `jayflow help E0005`

        error[E0005]: an included file has no key `extends`
         --> d/sinks.toml:2:1 (extends)
          |
        2 | extends = "joyfuljay"
          | ^^^^^^^
          = help: write it into the spec
          = see `jayflow help E0005`

        error[E0301]: two nodes are named `a`; the other is `[sinks.a]` at d/main.toml:5
         --> d/sinks.toml:3:8 (sinks.a)
          |
        3 | [sinks.a]
          |        ^
          = help: an included file adds nodes: choose another name
          = see `jayflow help E0301`

        error[E0301]: `flows.max_flows` is set twice; the other place is d/main.toml:8
         --> d/sinks.toml:6:1 (flows.max_flows)
          |
        6 | max_flows = 6
          | ^^^^^^^^^
          = help: an included file adds to the spec: keep one of the two
          = see `jayflow help E0301`

        error[E0002]: another version of the language
         --> d/x/more.toml:1:8 (spec)
          |
        1 | spec = 3
          |        ^
          = help: this program reads `spec = 1`
          = see `jayflow help E0002`
    "#]],
    );
    shows(
        check(
            &with("include = [\"/etc/x.toml\", \"a/../../b.toml\", \"not-there.toml\", 1]"),
            &[],
        ),
        &expect![[r#"
            error[E0007]: expected text, found an integer
             --> d/main.toml:2:63 (include[3])
              |
            2 | include = ["/etc/x.toml", "a/../../b.toml", "not-there.toml", 1]
              |                                                               ^
              = help: write a text, or a list of such
              = see `jayflow help E0007`
        "#]],
    );
    shows(
        check(
            &with("include = [\"/etc/x.toml\", \"a/../../b.toml\", \"not-there.toml\"]"),
            &[],
        ),
        &expect![[r#"
            error[E0505]: `/etc/x.toml` is not in the directory of the spec
             --> d/main.toml:2:12 (include[0])
              |
            2 | include = ["/etc/x.toml", "a/../../b.toml", "not-there.toml"]
              |            ^^^^^^^^^^^^^
              = help: an included file lies beside the spec or below; another spec can be extended
              = see `jayflow help E0505`

            error[E0505]: `a/../../b.toml` is not in the directory of the spec
             --> d/main.toml:2:27 (include[1])
              |
            2 | include = ["/etc/x.toml", "a/../../b.toml", "not-there.toml"]
              |                           ^^^^^^^^^^^^^^^^
              = help: an included file lies beside the spec or below; another spec can be extended
              = see `jayflow help E0505`

            error[E0503]: there is no file `not-there.toml`
             --> d/main.toml:2:45 (include[2])
              |
            2 | include = ["/etc/x.toml", "a/../../b.toml", "not-there.toml"]
              |                                             ^^^^^^^^^^^^^^^^
              = help: paths are relative to the file that names them
              = see `jayflow help E0503`
        "#]],
    );
}

#[test]
fn at_most_sixteen_files() {
    let names: Vec<String> = (0..20).map(|n| format!("d/{n}.toml")).collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), "spec = 1\n"))
        .collect();
    let include = |most: usize| {
        let names: Vec<String> = (0..most).map(|n| format!("\"{n}.toml\"")).collect();
        check(&with(&format!("include = [{}]", names.join(", "))), &files)
    };
    include(15).unwrap();
    let found = include(16).unwrap_err();
    assert_eq!(found.list[0].code, "E0003", "{}", found.text(false));
}

#[test]
fn at_most_ten_thousand_nodes() {
    let sinks = |count: usize| {
        let nodes: String = (0..count)
            .map(|n| format!("[sinks.s{n}]\npath = \"{n}.csv\"\n"))
            .collect();
        format!("spec = 1\n[sources]\npath = \"a\"\n{nodes}")
    };
    let found = check(&sinks(10_001), &[]).unwrap_err();
    assert_eq!(found.list[0].code, "E0003", "{}", found.text(false));
}

#[test]
fn a_run_with_variables_and_secrets_leaves_none_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = "0123456789abcdef".repeat(4);
    std::fs::create_dir(path("secrets")).unwrap();
    std::fs::write(path("secrets/KEY"), &key).unwrap();
    let spec = "spec = 1
[vars.capture]
type = \"path\"
[vars.groups]
type = \"text\"
default = \"timing\"
[sources]
path = \"${capture}\"
[features]
groups = [\"flow_meta\", \"${groups}\"]
[sinks]
path = \"rows.parquet\"
overwrite = true
anonymise = { key = \"${secret:KEY}\" }
";
    std::fs::write(path("spec.toml"), spec).unwrap();
    let run = |arguments: &[&str], groups: &str| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_jayflow"))
            .args(["run", "spec.toml", "-w", "1"])
            .args(arguments)
            .current_dir(folder.path())
            .env("JAYFLOW_VAR_GROUPS", groups)
            .env_remove("KEY")
            .output()
            .unwrap();
        let text = String::from_utf8(out.stderr).unwrap();
        assert!(!text.contains(&key));
        (out.status.code(), text)
    };
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sample.pcap");
    let capture = format!("capture={sample}");
    let (code, text) = run(&["--set", &capture], "size");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("E0507"), "{text}");
    let (code, text) = run(&["--secrets", "secrets"], "size");
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("the variable `capture` has no value"),
        "{text}"
    );
    let all = [
        "--secrets",
        "secrets",
        "--set",
        &capture,
        "--processes",
        "2",
    ];
    let (code, text) = run(&all, "size");
    assert_eq!(code, Some(0), "{text}");
    let rows = std::fs::read(path("rows.parquet")).unwrap();
    let has = |text: &str| rows.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("${secret:KEY}") && has("default = \"size\""));
    assert!(has("pkt_len_mean") && !has("iat_mean"));
    assert!(!has(&key));
}

#[test]
fn a_spec_describes_itself() {
    let folder = tempfile::tempdir().unwrap();
    let spec = "spec = 1
name = \"office\"
description = \"What the office does.\"
[vars.idle]
type = \"duration\"
default = \"30s\"
doc = \"how long a flow may be silent\"
[sources]
path = \"a.pcap\"
[flows]
idle_timeout = \"${idle}\"
[sinks]
path = \"a.csv\"
columns = [\"src_ip\", \"duration\"]
[tests.one]
input = \"a.pcap\"
rows = 1
";
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_jayflow"))
        .args([
            "docs",
            "spec.toml",
            "--set",
            "idle=20s",
            "--set",
            "run.workers=1",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(0));
    expect![[r#"
        # office

        What the office does.

        ## Variables

        | variable | type | value | what |
        |---|---|---|---|
        | `idle` | duration | 20s | how long a flow may be silent |

        ## Plan

        ```text
        1 read     source    pcap a.pcap; each input has its own flows; an input is read and decompressed by one worker
        2 decode   decode    from 1: tunnels stay on, later fragments join the flow of the first
        3 flows    flows     from 2: by hash of 5tuple in 256 shards; 209 B/flow; idle 20s, active off, tcp linger 5s
        4 features features  from 3: flow_meta (2 of 562 columns); 40 B/flow; payload not read
        5 sink     sink      csv a.csv <- 4, 2 columns, sorted by start, encoded by a thread a worker, written by one
        2 columns; workers 1, processes 1; 4096 records a chunk, 8192 packets an epoch; spec e5c586019be3
        ```

        ## Columns of `sink` (a.csv)

        | column | type | unit | null | definition |
        |---|---|---|---|---|
        | `src_ip` | ip |  |  | Initiator address. |
        | `duration` | f64 | s |  | end_time - start_time. |

        ## Tests

        `one`
    "#]].assert_eq(&String::from_utf8(out.stdout).unwrap());
}

#[test]
fn where_each_value_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put(
        "base.toml",
        "spec = 1\n[flows]\nidle_timeout = \"30s\"\nactive_timeout = \"5m\"\n",
    );
    put(
        "a.toml",
        "spec = 1\nextends = \"./base.toml\"\n\n[vars.n]\ntype = \"int\"\ndefault = 7\n\n[sources]\npath = \"x.pcap\"\n\n\
        [flows]\nactive_timeout = \"off\"\n\n[features]\nmax_sequence_length = \"${n}\"\n\n\
        [sinks.out]\npath = \"x.csv\"\nanonymise = { key = \"${secret:K}\" }\n\n[sinks.more]\npath = \"y.parquet\"\n",
    );
    let mut loaded = Loaded::file(&folder.path().join("a.toml"))
        .unwrap()
        .unwrap();
    loaded.set("run.workers=3").unwrap();
    let spec = loaded
        .check()
        .unwrap_or_else(|found| panic!("{}", found.text(false)));
    let all = loaded.origins(&spec).unwrap();
    let wanted = [
        "sources.path",
        "sources.merge",
        "flows.idle_timeout",
        "flows.active_timeout",
        "flows.terminate",
        "features.max_sequence_length",
        "features.missing",
        "features.split",
        "sinks.out.path",
        "sinks.out.anonymise",
        "sinks.out.delimiter",
        "sinks.more.row_group",
        "run.workers",
        "run.epoch",
    ];
    let lines: Vec<String> = all
        .iter()
        .filter(|one| wanted.contains(&one.path.as_str()))
        .map(|one| format!("{} = {}  # {}\n", one.path, one.value, one.from))
        .collect();
    let text = lines
        .concat()
        .replace(&folder.path().display().to_string(), "");
    expect![[r#"
        sources.path = "x.pcap"  # /a.toml:9
        sources.merge = "none"  # default
        flows.idle_timeout = "30s"  # /base.toml:3
        flows.active_timeout = "off"  # /a.toml:12
        flows.terminate = "tcp"  # default
        features.split = false  # default
        features.max_sequence_length = 7  # /a.toml:15
        features.missing = "null"  # default
        sinks.out.path = "x.csv"  # /a.toml:18
        sinks.out.delimiter = ","  # default
        sinks.out.anonymise = { key = "${secret:K}" }  # /a.toml:19
        sinks.more.row_group = 131072  # default
        run.workers = 3  # --set run.workers=3
        run.epoch = 8192  # default
    "#]]
    .assert_eq(&text);
}
