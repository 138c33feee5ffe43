//! What an Arrow IPC file claims of its size, looked at before it is read: its reader takes memory for what a compressed buffer claims to
//! become, and a process that asks for more than there is ends.
//!
//! Says nothing of a file or part that cannot be read: its reader does.

use arrow::ipc::reader::read_footer_length;
use arrow::ipc::{Block, root_as_footer, root_as_message};
use std::io::{Read, Seek, SeekFrom};

/// Bytes that a buffer may become at most.
pub(super) const MOST: i64 = 1 << 31;

/// The most bytes that a compressed buffer of the file claims to become.
pub(super) fn greatest(file: &mut (impl Read + Seek)) -> Option<i64> {
    let tail = part(file, SeekFrom::End(-10), 10)?;
    let length = read_footer_length(*tail.first_chunk()?).ok()?;
    let start = i64::try_from(length).ok()?.checked_add(10)?;
    let footer = part(file, SeekFrom::End(start.checked_neg()?), length)?;
    let footer = root_as_footer(&footer).ok()?;
    let dictionaries = footer.dictionaries().into_iter().flatten();
    let batches = footer.recordBatches().into_iter().flatten();
    let blocks = dictionaries.chain(batches);
    blocks.filter_map(|block| of_block(file, block)).max()
}

/// So many bytes of the file.
fn part(file: &mut (impl Read + Seek), from: SeekFrom, length: usize) -> Option<Vec<u8>> {
    file.seek(from).ok()?;
    // the length may be a claim too
    let mut bytes = Vec::new();
    let limit = u64::try_from(length).ok()?;
    file.take(limit).read_to_end(&mut bytes).ok()?;
    (bytes.len() == length).then_some(bytes)
}

fn of_block(file: &mut (impl Read + Seek), block: &Block) -> Option<i64> {
    let start = u64::try_from(block.offset()).ok()?;
    let length = usize::try_from(block.metaDataLength()).ok()?;
    let metadata = part(file, SeekFrom::Start(start), length)?;
    // its length is in front, in newer files behind a marker
    let message = match metadata.strip_prefix(&[0xFF; 4]) {
        Some(rest) => rest.get(4..)?,
        None => metadata.get(4..)?,
    };
    let message = root_as_message(message).ok()?;
    let batch = message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch()?.data())?;
    batch.compression()?;
    let body = start.checked_add(u64::try_from(length).ok()?)?;
    let buffers = batch.buffers()?.iter().filter(|buffer| buffer.length() > 8);
    let claims = buffers.filter_map(|buffer| {
        let offset = u64::try_from(buffer.offset()).ok()?;
        let claim = part(file, SeekFrom::Start(body.checked_add(offset)?), 8)?;
        Some(i64::from_le_bytes(*claim.first_chunk()?))
    });
    claims.max()
}
