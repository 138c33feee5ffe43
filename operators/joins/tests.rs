//! Joins of rows made by hand with tables made by hand.

use super::*;
use crate::columns::Address;
use crate::expressions::aggregates::declared;
use crate::schema::DataType;
use crate::stored::Format;
use crate::stored::kind::push;
use std::fs;

const SECOND: i64 = 1_000_000_000;

/// Rows of source, responder, port of the responder, start in seconds.
fn rows(all: &[(&str, &str, &str, i64)]) -> Columns {
    let mut rows = Columns::default();
    let types = [
        DataType::Address,
        DataType::Address,
        DataType::U16,
        DataType::U16,
        DataType::Time,
    ];
    rows.columns = types.map(|data_type| Column::new(&data_type, false)).into();
    for (number, (src, dst, port, start)) in (0..).zip(all) {
        rows.keys.push((start * SECOND, number));
        for (column, text) in rows.columns.iter_mut().zip([*src, *dst, "1025", *port]) {
            assert!(push(column, text));
        }
        assert!(push(&mut rows.columns[4], &start.to_string()));
    }
    rows
}

fn table(text: &str, time: Option<TimeOptions>) -> Result<Table, Vec<LoadFault>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.csv");
    fs::write(&path, text).unwrap();
    Table::load(&TableOptions {
        paths: vec![path],
        format: Format::Csv { delimiter: b',' },
        on: vec![
            (Part::Address, "from".to_owned()),
            (Part::Address, "to".to_owned()),
            (Part::Int, "port".to_owned()),
        ],
        time,
        columns: vec!["label".to_owned()],
    })
}

fn plan(table: Table) -> JoinPlan {
    let types = table.types().to_vec();
    JoinPlan {
        name: "labels".to_owned(),
        joined: Joined::Table(Arc::new(table)),
        schema: vec![declared(
            "label".to_owned(),
            "labels",
            "label",
            (types[0].clone(), ""),
            Some("no line".to_owned()),
        )],
        on: vec![(Part::Address, 0), (Part::Address, 1), (Part::Int, 3)],
        reversed: Vec::new(),
        time: None,
        mode: JoinMode::Left,
        many: Many::First,
    }
}

/// The labels of the rows, in order.
fn labels(rows: &Columns) -> Vec<Option<String>> {
    let column = &rows.columns[5];
    let Values::Text { ends, bytes } = &column.values else {
        panic!("{column:?}")
    };
    let text = |row| String::from_utf8_lossy(&bytes[crate::columns::span(ends, row)]).into_owned();
    (0..rows.rows())
        .map(|row| (!column.is_null(row)).then(|| text(row)))
        .collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    let text = |text: &&str| (!text.is_empty()).then(|| (*text).to_owned());
    texts.iter().map(text).collect()
}

const PLAIN: &str = "from,to,port,label\n10.0.0.1,10.0.0.2,80,a\n10.0.0.1,10.0.0.2,80,b\n10.0.0.1,10.0.0.2,80,a\n10.0.0.3,10.0.0.2,80,\n,,,x\n10.0.0.9,10.0.0.2,eighty,x\n";

#[test]
fn several_lines_of_one_row() {
    let of = |many, mode| {
        let mut plan = plan(table(PLAIN, None).unwrap());
        (plan.many, plan.mode) = (many, mode);
        let mut books = JoinBooks::default();
        let rows = rows(&[
            ("10.0.0.1", "10.0.0.2", "80", 1),
            ("10.0.0.1", "10.0.0.2", "81", 2),
            ("10.0.0.3", "10.0.0.2", "80", 3),
        ]);
        let out = plan.apply(rows, &mut books);
        assert!(
            books.sums().iter().all(|(_, one, other)| one == other),
            "{books:?}"
        );
        (labels(&out), books, out)
    };
    let (left, books, _) = of(Many::First, JoinMode::Left);
    assert_eq!(left, some(&["a", "", ""]));
    assert_eq!((books.matched, books.unmatched, books.several), (2, 1, 1));
    assert_eq!(of(Many::Last, JoinMode::Left).0, some(&["b", "", ""]));
    let (all, books, out) = of(Many::All, JoinMode::Left);
    assert_eq!(all, some(&["a", "b", "", ""]));
    assert_eq!((books.copies, books.passed), (1, 4));
    assert_eq!(
        out.keys,
        [(SECOND, 0), (SECOND, 0), (2 * SECOND, 1), (3 * SECOND, 2)]
    );
    let (inner, books, _) = of(Many::All, JoinMode::Inner);
    assert_eq!(inner, some(&["a", "b", ""]));
    assert_eq!((books.left_out, books.passed), (1, 3));
    let (anti, _, out) = of(Many::First, JoinMode::Anti);
    assert_eq!((anti, out.keys), (some(&[""]), vec![(2 * SECOND, 1)]));
    let first = of(Many::Error, JoinMode::Left).1.first;
    assert_eq!(
        first,
        Some((SECOND, 0, "labels.csv:2 and labels.csv:3".to_owned()))
    );
}

#[test]
fn lines_have_fates() {
    let books = table(PLAIN, None).unwrap().books;
    assert_eq!((books.lines, books.used, books.repeated), (6, 3, 1));
    assert_eq!(
        books.skipped.nonzero().collect::<Vec<_>>(),
        [(crate::books::LineSkip::NoKey, 2)]
    );
}

fn time(to: Option<&str>, tolerance: i64) -> TimeOptions {
    TimeOptions {
        from: "at".to_owned(),
        to: to.map(str::to_owned),
        tolerance: Some(crate::options::Duration(tolerance * SECOND)),
        ..TimeOptions::default()
    }
}

#[test]
fn the_nearest_line_within_the_tolerance() {
    let text = "from,to,port,label,at\n10.0.0.1,10.0.0.2,80,a,100\n10.0.0.1,10.0.0.2,80,b,200\n10.0.0.1,10.0.0.2,80,c,200\n10.0.0.2,10.0.0.1,80,r,130\n10.0.0.1,10.0.0.2,80,x,noon\n";
    let mut plan = plan(table(text, Some(time(None, 30))).unwrap());
    let Joined::Table(table) = &plan.joined else {
        panic!()
    };
    assert_eq!(table.books.shown, ["labels.csv:6: `noon` (time_form)"]);
    (plan.time, plan.many) = (Some(4), Many::All);
    let starts = [69, 70, 130, 131, 150, 170, 230, 231];
    let rows = rows(&starts.map(|start| ("10.0.0.1", "10.0.0.2", "80", start)));
    let mut books = JoinBooks::default();
    let out = plan.apply(rows.clone(), &mut books);
    assert_eq!(
        labels(&out),
        some(&["", "a", "a", "", "", "b", "c", "b", "c", ""])
    );
    assert_eq!((books.several, books.copies, books.unmatched), (2, 2, 4));
    // ports do not change places here: only addresses are reversed
    plan.reversed = vec![1, 0, 2];
    let mut books = JoinBooks::default();
    let out = plan.apply(rows, &mut books);
    assert_eq!(
        labels(&out),
        some(&["", "a", "r", "r", "r", "b", "c", "b", "c", ""])
    );
    assert_eq!(books.reversed, 3);
}

/// Intervals against a plain look at every line.
#[test]
fn intervals_that_overlap() {
    let mut text = "from,to,port,label,at,end\n".to_owned();
    let mut lines = Vec::new();
    let mut number = 12_345_u64;
    let mut random = |below: u64| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        i64::try_from((number >> 33) % below).unwrap()
    };
    for line in 0..300 {
        let (start, length, port) = (random(1000), random(4) * random(60), random(2));
        text.push_str(&format!(
            "10.0.0.1,10.0.0.2,{port},L{line},{start},{}\n",
            start + length
        ));
        lines.push((port, start, start + length));
    }
    let mut plan = plan(table(&text, Some(time(Some("end"), 2))).unwrap());
    (plan.time, plan.many, plan.mode) = (Some(4), Many::All, JoinMode::Inner);
    for port in 0..2 {
        for start in (0..1100).step_by(7) {
            let rows = rows(&[("10.0.0.1", "10.0.0.2", &port.to_string(), start)]);
            let found = labels(&plan.apply(rows, &mut JoinBooks::default()));
            let is_in = |(_, line): &(usize, &(i64, i64, i64))| {
                line.0 == port && line.1 - 2 <= start && start <= line.2 + 2
            };
            let known = lines.iter().enumerate().filter(is_in);
            let known: Vec<Option<String>> = known.map(|(at, _)| Some(format!("L{at}"))).collect();
            assert_eq!(found, known, "{port} {start}");
        }
    }
}

#[test]
fn what_a_file_lacks_is_told_at_once() {
    let faults = table("from,to,label,label\n", Some(time(Some("end"), 0))).unwrap_err();
    let told: Vec<(Place, usize)> = faults
        .iter()
        .map(|fault| match fault {
            LoadFault::NoColumn { place, found, .. } => (*place, *found),
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted = [
        (Place::On(2), 0),
        (Place::From, 0),
        (Place::To, 0),
        (Place::Column(0), 2),
    ];
    assert_eq!(told, wanted);
    let text = "from,to,port,label,at\n10.0.0.1,10.0.0.2,80,a,7/7/2017 3:30\n";
    match &table(text, Some(time(None, 0))).unwrap_err()[..] {
        [LoadFault::TimeForm { first, fitting }] => {
            assert_eq!(first, "7/7/2017 3:30");
            assert_eq!(fitting.as_deref(), Some("%d/%m/%Y %H:%M"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nulls_and_types() {
    let text = "from,to,port,label\n10.0.0.1,10.0.0.2,80,1\n10.0.0.1,10.0.0.3,80,\n";
    let table = table(text, None).unwrap();
    assert_eq!(table.types(), [DataType::I64]);
    let mut plan = plan(table);
    plan.schema[0].data_type = DataType::I64;
    let mut rows = rows(&[
        ("10.0.0.1", "10.0.0.2", "80", 1),
        ("10.0.0.1", "10.0.0.3", "80", 1),
    ]);
    rows.columns[3].valid = Some(vec![true, true]);
    let out = plan.apply(rows.clone(), &mut JoinBooks::default());
    assert_eq!(out.columns[5].valid, Some(vec![true, false]));
    // a null is equal to nothing
    rows.columns[3].valid = Some(vec![false, true]);
    let mut books = JoinBooks::default();
    plan.apply(rows, &mut books);
    assert_eq!((books.matched, books.unmatched), (1, 1));
    let zero = Address {
        family: 4,
        bytes: [0; 16],
    };
    let nowhere = Column {
        values: Values::Address(vec![zero]),
        valid: Some(vec![false]),
    };
    assert!(!Part::Address.take(&nowhere, 0, &mut Vec::new()));
}
