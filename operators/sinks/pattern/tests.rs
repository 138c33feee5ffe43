use super::*;
use proptest::prelude::*;

const DAY: i64 = 1_769_817_600_000_000_000; // 2026-01-31

fn parsed(path: &str) -> Pattern {
    Pattern::parse(path, "out").unwrap()
}

fn path(pattern: &str, values: &[Option<&str>]) -> String {
    let mut out = String::new();
    parsed(pattern).write(&mut out, DAY, |place, bytes| {
        let value = values[place];
        bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
        value.is_some()
    });
    out
}

#[test]
fn values_take_their_places() {
    assert_eq!(
        path("d={start:%Y-%m-%d}/{name}.csv", &[]),
        "d=2026-01-31/out.csv"
    );
    assert_eq!(
        path("{start:%Y/%m}/{a}-{b}-{a}.csv", &[Some("1"), None]),
        format!("2026/01/1-{NULL}-1.csv")
    );
    assert_eq!(path("{{{name}}}.csv", &[]), "{out}.csv");
    assert_eq!(parsed("a/{{x}}.csv").one_file(), Some("a/{x}.csv"));
    assert_eq!(parsed("a}.csv").one_file(), Some("a}.csv"));
    let pattern = parsed("a/b-{x}/{yy}{x}.csv");
    assert_eq!(
        pattern.columns(),
        [("x".to_owned(), 5..6), ("yy".to_owned(), 9..11)]
    );
    let (folder, below) = pattern.split();
    assert_eq!(
        (folder.as_str(), &below.parts),
        ("a/", &parsed("b-{x}/{yy}{x}.csv").parts)
    );
    assert_eq!(parsed("{x}/a.csv").split().0, "");
}

#[test]
fn what_is_wrong_is_told_at_its_place() {
    let fault = |path: &str| {
        let fault = Pattern::parse(path, "out").unwrap_err();
        (path[fault.at.clone()].to_owned(), fault.message)
    };
    for (path, at, message) in [
        ("a/{x", "{x", "`{` has no `}`"),
        ("a/{}.csv", "{}", "nothing is named here"),
        ("a/{start}.csv", "{start}", "`{start}` has no form"),
        (
            "{x}/{worker}.csv",
            "{worker}",
            "the rows of a sink are written by one worker, whatever the number of them",
        ),
        (
            "{port:%d}.csv",
            "{port:%d}",
            "only `start` takes a form, and this is `port`",
        ),
    ] {
        assert_eq!(fault(path), (at.to_owned(), message.to_owned()));
    }
    let (at, message) = fault("a/{start:%Y-%E}.csv");
    assert_eq!(at, "{start:%Y-%E}");
    assert!(
        message.starts_with("`%Y-%E` is no form of a time: "),
        "{message}"
    );
}

#[test]
fn no_value_leads_out_of_its_directory() {
    for (value, expected) in [
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("", NULL),
        ("../../etc", "..%2F..%2Fetc"),
        ("a\\b\u{0}\n", "a%5Cb%00%0A"),
        ("100%", "100%25"),
        ("2001:db8::1", "2001%3Adb8%3A%3A1"),
        ("\u{202e}gpj", "%E2%80%AEgpj"),
        ("münchen.de", "münchen.de"),
    ] {
        assert_eq!(path("{a}", &[Some(value)]), expected, "{value:?}");
    }
    assert_eq!(path("{start:../%Y}/x", &[]), "%2E%2E/2026/x");
    assert!(parsed("../a/{x}/b.csv").stays_inside());
    for outside in ["{x}/../b.csv", "{x}/./b.csv", "{x}//b.csv", "a/{x}/"] {
        assert!(!parsed(outside).stays_inside(), "{outside}");
    }
}

#[test]
fn long_values_are_cut_and_stay_apart() {
    let long = |end: &str| path("{a}", &[Some(&("%é".repeat(200) + end))]);
    let (one, other) = (long("1"), long("2"));
    assert!(one.len() <= SHORT + 17 && one != other, "{one}");
    assert_eq!(one[..80], other[..80]);
}

#[test]
fn paths_that_can_meet() {
    let meets = |a: &str, b: &str| {
        let both = [parsed(a).meets(&parsed(b)), parsed(b).meets(&parsed(a))];
        assert_eq!(both[0], both[1], "{a} {b}");
        both[0]
    };
    for (a, b) in [
        ("{x}.csv", "a.csv"),
        ("{x}.csv", "{y}.csv"),
        ("a-{x}.csv", "{y}-b.csv"),
        ("{start:%Y}.csv", "2026.csv"),
        ("{start:%F}.csv", "{x}.csv"),
        ("{start:%Y/%m}.csv", "{x}/{y}.csv"),
        ("{start:%-d}.csv", "7.csv"),
    ] {
        assert!(meets(a, b), "{a} {b}");
    }
    for (a, b) in [
        ("a-{x}.csv", "b-{x}.csv"),
        ("{x}.csv", "{x}.jsonl"),
        ("{x}.csv", "d/a.csv"),
        ("{x}/a.csv", "{y}/{x}/a.csv"),
        ("{start:%Y-%m-%d}.csv", "latest.csv"),
        ("{x}.csv", ".csv"),
    ] {
        assert!(!meets(a, b), "{a} {b}");
    }
}

proptest! {
    #[test]
    fn any_values_make_names_of_one_directory(a in "\\PC{0,200}|[./\u{0}\\\\]{0,4}", b in "[.]{0,2}|\\PC{0,3}", ns in any::<i64>()) {
        let mut out = String::new();
        parsed("{a}{b}/{start:%H}").write(&mut out, ns, |place, bytes| {
            bytes.extend_from_slice([&a, &b][place].as_bytes());
            true
        });
        let names: Vec<&str> = out.split('/').collect();
        prop_assert_eq!(names.len(), 2);
        prop_assert!(!matches!(names[0], "" | "." | ".."));
        prop_assert!(!names[0].chars().any(|c| c.is_control() || c == '\\'));
        prop_assert!(names[0].len() <= 2 * LONG);
    }
}
