//! JA4T of a SYN and JA4TS of the SYN+ACKs that answer it.

use super::super::tcp_options::Options;
use std::fmt::Write;

/// Retransmissions that are listed at most, and how long after the last SYN+ACK another packet counts.
const DELAYS: u8 = 10;
const PATIENCE: u64 = 120_000_000_000;

/// Window, kinds of options, maximum segment size and window scale of a SYN or SYN+ACK; `00` for what is not there.
pub fn syn(window: u16, options: Options<'_>) -> String {
    let kinds: Vec<String> = options.kinds().map(|kind| kind.to_string()).collect();
    let kinds = match kinds.join("-") {
        none if none.is_empty() => "00".to_owned(),
        some => some,
    };
    let number = |number: Option<u16>| number.map_or("00".to_owned(), |number| number.to_string());
    let size = number(options.maximum_segment_size());
    let scale = number(options.window_scale().map(u16::from));
    format!("{window}_{kinds}_{size}_{scale}")
}

/// The SYN+ACKs of a responder.
#[derive(Debug)]
pub struct Answers {
    text: String,
    delays: u8,
    /// When the last one was seen, ns; nothing once no more is listed.
    last: Option<i64>,
}

impl Answers {
    /// Of the first one, seen at this time.
    pub fn new(window: u16, options: Options<'_>, time: i64) -> Self {
        Self {
            text: syn(window, options),
            delays: 0,
            last: Some(time),
        }
    }

    /// Takes the SYN+ACK once more.
    pub fn again(&mut self, time: i64) {
        if let Some(delay) = self.delay(time)
            && self.delays < DELAYS
        {
            self.list("", delay);
            self.last = Some(time);
        }
    }

    /// Takes a RST of the responder, behind which nothing is listed.
    pub fn reset(&mut self, time: i64) {
        if let Some(delay) = self.delay(time) {
            self.list("R", delay);
        }
        self.end();
    }

    /// Says that the handshake went on.
    pub fn end(&mut self) {
        self.last = None;
    }

    /// The fingerprint.
    pub fn ja4ts(&self) -> &str {
        &self.text
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.text.capacity()
    }

    /// Whole seconds since the last SYN+ACK.
    fn delay(&self, time: i64) -> Option<u64> {
        let delay = u64::try_from(time.saturating_sub(self.last?)).unwrap_or(0);
        let rounded = delay.saturating_add(500_000_000) / 1_000_000_000;
        (delay <= PATIENCE).then_some(rounded)
    }

    fn list(&mut self, mark: &str, delay: u64) {
        let between = if self.delays == 0 { '_' } else { '-' };
        self.delays = self.delays.saturating_add(1);
        let _ = write!(self.text, "{between}{mark}{delay}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(options: &[u8]) -> Vec<u8> {
        let mut header = vec![0; 20];
        header[12] = (((20 + options.len()) / 4) << 4) as u8;
        [header, options.to_vec()].concat()
    }

    const WINDOWS: &[u8] = &[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2];

    #[test]
    fn syns_as_published() {
        // JA4T.md
        let windows = header(WINDOWS);
        assert_eq!(
            syn(64240, Options::of(&windows)),
            "64240_2-1-3-1-1-4_1460_8"
        );
        assert_eq!(syn(1024, Options::of(&header(&[]))), "1024_00_00_00");
        assert_eq!(
            syn(1024, Options::of(&header(&[2, 4, 5, 0xb4]))),
            "1024_2_1460_00"
        );
    }

    #[test]
    fn answers_as_published() {
        let header = header(&[2, 4, 0xff, 0xd7, 1, 3, 3, 8, 1, 1, 4, 2]);
        let ms = |ms: i64| ms * 1_000_000;
        let mut answers = Answers::new(65535, Options::of(&header), ms(16_681));
        for time in [17_684, 19_692, 23_703, 31_715] {
            answers.again(ms(time));
        }
        assert_eq!(answers.ja4ts(), "65535_2-1-3-1-1-4_65495_8_1-2-4-8");
        answers.reset(ms(37_724));
        answers.again(ms(38_000));
        assert_eq!(answers.ja4ts(), "65535_2-1-3-1-1-4_65495_8_1-2-4-8-R6");
    }

    #[test]
    fn a_handshake_that_goes_on() {
        let header = header(&[]);
        let mut answers = Answers::new(1, Options::of(&header), 0);
        answers.end();
        answers.reset(1);
        assert_eq!(answers.ja4ts(), "1_00_00_00");
        let mut late = Answers::new(1, Options::of(&header), 0);
        late.again(PATIENCE as i64 + 1);
        assert_eq!(late.ja4ts(), "1_00_00_00");
    }
}
