//! JA4H of an HTTP/1 request: start, names of fields, names of cookies, cookies.

use super::super::http::Version;
use super::{digits, hashed};
use sha2::{Digest, Sha256};

/// A request whose head is being read.
#[derive(Debug)]
pub struct Request {
    /// Method and version.
    start: String,
    /// The names of the fields that count, with commas between.
    names: Sha256,
    count: u16,
    has_referer: bool,
    language: Option<String>,
    /// Nothing without a field `Cookie`.
    cookies: Option<Vec<Box<[u8]>>>,
}

impl Request {
    /// Of its first line.
    pub fn new(method: &[u8], version: Version) -> Self {
        let method = method.iter().take(2).map(u8::to_ascii_lowercase);
        let mut start: String = method.map(char::from).collect();
        start.push_str(match version {
            Version::Http10 => "10",
            Version::Http11 => "11",
        });
        Self {
            start,
            names: Sha256::new(),
            count: 0,
            has_referer: false,
            language: None,
            cookies: None,
        }
    }

    /// Takes a field.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"cookie") {
            let cookies = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let cookies = cookies.filter(|cookie| !cookie.is_empty());
            let kept = self.cookies.get_or_insert_default();
            kept.extend(cookies.map(Into::into));
            return;
        }
        if name.eq_ignore_ascii_case(b"referer") {
            self.has_referer = true;
            return;
        }
        if name.eq_ignore_ascii_case(b"accept-language") {
            self.language.get_or_insert_with(|| language(value));
        }
        if self.count > 0 {
            self.names.update(b",");
        }
        self.names.update(name);
        self.count = self.count.saturating_add(1);
    }

    /// The fingerprint, once the head is whole.
    pub fn ja4h(&self) -> String {
        let Self { start, .. } = self;
        let cookie = if self.cookies.is_some() { 'c' } else { 'n' };
        let referer = if self.has_referer { 'r' } else { 'n' };
        let count = self.count.min(99);
        let language = self.language.as_deref().unwrap_or("0000");
        let names = digits(&self.names.clone().finalize());
        let cookies = self.cookies.as_deref().unwrap_or(&[]);
        let mut cookies: Vec<(&[u8], &[u8])> = cookies
            .iter()
            .map(|cookie| (key(cookie), &**cookie))
            .collect();
        // by name: as text, `a-b=1` would come before `a=2`
        cookies.sort_unstable();
        let (keys, pairs): (Vec<&[u8]>, Vec<&[u8]>) = cookies.into_iter().unzip();
        let [keys, pairs] = [keys, pairs].map(|parts| hashed_bytes(&parts.join(&b',')));
        format!("{start}{cookie}{referer}{count:02}{language}_{names}_{keys}_{pairs}")
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let cookies = self.cookies.iter().flatten();
        let bytes = |cookie: &[u8]| cookie.len().saturating_add(size_of::<Box<[u8]>>());
        cookies
            .map(|cookie| bytes(cookie))
            .fold(self.start.capacity(), usize::saturating_add)
    }
}

/// The name of a cookie.
fn key(cookie: &[u8]) -> &[u8] {
    cookie.split(|byte| *byte == b'=').next().unwrap_or(cookie)
}

fn hashed_bytes(bytes: &[u8]) -> String {
    match bytes {
        [] => hashed(""),
        bytes => digits(&Sha256::digest(bytes)),
    }
}

/// The first four characters of the first language, hyphens left out, filled up with zeros.
fn language(value: &[u8]) -> String {
    let first = value.iter().take_while(|byte| !b",;".contains(byte));
    let first = first.filter(|byte| byte.is_ascii_graphic() && **byte != b'-');
    let mut text: String = first
        .take(4)
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    while text.len() < 4 {
        text.push('0');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_cookies() {
        // an expectation of FoxIO's own tests (http1-with-cookies)
        let mut request = Request::new(b"GET", Version::Http11);
        for name in ["Host", "User-Agent", "Accept"] {
            request.field(name.as_bytes(), b"x");
        }
        request.field(b"Accept-Language", b"da, en-GB;q=0.8");
        request.field(b"REFERER", b"x");
        request.field(b"cookie", b"yummy_cookie=choco; tasty_cookie=strawberry;");
        assert_eq!(
            request.ja4h(),
            "ge11cr04da00_8ddaef5d77af_280f366eaa04_c2fb0fe53442"
        );
        assert!(request.heap_bytes() > 0);
    }

    #[test]
    fn cookies_are_sorted_by_name() {
        let mut request = Request::new(b"GET", Version::Http11);
        request.field(b"Cookie", b"b-c=1; b=2");
        // the first digits of SHA-256 of "b,b-c" and of "b=2,b-c=1"
        let hashes = "5efddfbcd0b9_70d41e01d826";
        assert!(request.ja4h().ends_with(hashes), "{}", request.ja4h());
    }

    #[test]
    fn a_bare_request() {
        let request = Request::new(b"O", Version::Http10);
        assert_eq!(
            request.ja4h(),
            "o10nn000000_e3b0c44298fc_000000000000_000000000000"
        );
        assert_eq!(language(b"en-US,en;q=0.9"), "enus");
        assert_eq!(language(b";"), "0000");
    }
}
