//! Records to header fields, with the flow key of each packet.

use crate::trace;
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow_operators::Books;
use jayflow_operators::decode::{DecodeOptions, Decoder};
use jayflow_operators::flows::{FlowOptions, KeyRule};

#[divan::bench(sample_size = 1, sample_count = 20)]
fn decode(bencher: Bencher<'_, '_>) {
    let rule = KeyRule::new(&FlowOptions::default());
    let count = ItemsCount::new(trace::records());
    bencher.counter(count).bench(|| {
        let mut decoder = Decoder::new(&DecodeOptions::default());
        let mut books = Books::default();
        for chunk in trace::chunks() {
            divan::black_box(trace::decoded(chunk, &mut decoder, &rule, &mut books));
        }
    });
}
