//! Bytes to records.

use crate::trace;
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow_operators::Books;

#[divan::bench(sample_size = 1, sample_count = 20)]
fn read(bencher: Bencher<'_, '_>) {
    let count = ItemsCount::new(trace::records());
    bencher.counter(count).bench(|| {
        let (mut reader, mut books) = (trace::reader(), Books::default());
        while let Some(chunk) = reader.next(&mut books) {
            reader.recycle(divan::black_box(chunk).records);
        }
        books
    });
}
