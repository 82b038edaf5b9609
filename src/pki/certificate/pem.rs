//! The reader of PEM texts (RFC 7468): every file and every answer that is PEM comes through here.
//!
//! Readers that look for `BEGIN` at the start of a line skip an item that follows another without a line feed, or that stands
//! behind a byte order mark; what is skipped may be the list that revokes a certificate. Here as many items come out as labels
//! go in, or the text is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is wrong with a PEM text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemFault {
    /// An item without its end.
    #[error("the line END {0} is missing: the text is truncated")]
    Unfinished(String),
    /// An item that ends as another kind.
    #[error("what begins as {label} ends as {end}")]
    Mismatch {
        /// The label that it begins with.
        label: String,
        /// The label that it ends with.
        end: String,
    },
    /// A border that is almost one.
    #[error("a -----BEGIN or -----END line is damaged: five dashes belong on both sides of its label")]
    Border,
    /// What should be base64 is not.
    #[error("invalid base64 between BEGIN {0} and END")]
    Base64(String),
    /// Two bytes per letter, as Windows' PowerShell writes by default.
    #[error("the text is UTF-16: save it as ASCII or UTF-8")]
    Utf16,
}

/// A PEM text, read to its end.
#[derive(Debug)]
pub struct PemText {
    /// Every item, in the order of the text.
    pub items: Vec<PemItem>,
    /// Whether there is anything but items, white space and one byte order mark.
    pub has_other_text: bool,
}

/// What stands between one BEGIN and its END.
pub struct PemItem {
    /// The label, such as `CERTIFICATE`.
    pub label: String,
    /// The decoded bytes.
    pub der: Zeroizing<Vec<u8>>,
    /// Whether header lines (RFC 1421) say that the bytes are encrypted.
    pub encrypted: bool,
}

impl PemItem {
    /// Whether it is a certificate, by its present or its old label.
    pub fn is_certificate(&self) -> bool {
        matches!(self.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE")
    }

    /// Whether it is a private key of any kind, encrypted or not.
    pub fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Whether it is what `openssl ecparam` and `openssl dhparam` write next to a key. It says nothing that the key does not.
    pub fn is_parameters(&self) -> bool {
        self.label.ends_with(" PARAMETERS")
    }
}

impl std::fmt::Debug for PemItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PemItem").field("label", &self.label).finish_non_exhaustive()
    }
}

impl PemText {
    /// Reads all items of a text. Items may follow each other without a line feed, and one byte order mark may stand before them.
    pub fn read(text: &[u8]) -> Result<Self, PemFault> {
        let mut rest = without_mark(text)?;
        let (mut items, mut has_other_text) = (Vec::new(), false);
        while let Some(at) = find(rest, BEGIN) {
            has_other_text |= other_text(&rest[..at])?;
            let (item, after) = read_item(&rest[at + BEGIN.len()..])?;
            items.push(item);
            rest = after;
        }
        has_other_text |= other_text(rest)?;
        Ok(Self { items, has_other_text })
    }
}

/// One item, from behind its BEGIN on, and what follows it.
fn read_item(text: &[u8]) -> Result<(PemItem, &[u8]), PemFault> {
    let (label, body) = border(text)?;
    if body.starts_with(b"BEGIN ") {
        // One run of dashes for two borders.
        return Err(PemFault::Unfinished(label));
    }
    let Some(end) = find(body, END) else { return Err(PemFault::Unfinished(label)) };
    let (body, after) = (&body[..end], &body[end + END.len()..]);
    if find(body, DASHES).is_some() {
        return Err(PemFault::Unfinished(label));
    }
    let (end, rest) = border(after)?;
    if end != label {
        return Err(PemFault::Mismatch { label, end });
    }
    let (headers, data) = split_headers(body);
    let packed = Zeroizing::new(data.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>());
    let der = STANDARD.decode(&*packed).map(Zeroizing::new).map_err(|_| PemFault::Base64(label.clone()))?;
    Ok((PemItem { label, der, encrypted: find(headers, b"ENCRYPTED").is_some() }, rest))
}

/// The label up to the five dashes that close its border, and what follows them.
fn border(text: &[u8]) -> Result<(String, &[u8]), PemFault> {
    let end = find(text, DASHES).ok_or(PemFault::Border)?;
    let is_label = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b' ' | b'#');
    let label = &text[..end];
    if label.is_empty() || !label.iter().all(is_label) {
        return Err(PemFault::Border);
    }
    Ok((String::from_utf8_lossy(label).into_owned(), &text[end + DASHES.len()..]))
}

/// Header lines have a colon, which base64 has not; an empty line ends them.
fn split_headers(body: &[u8]) -> (&[u8], &[u8]) {
    if !body.contains(&b':') {
        return (&[], body);
    }
    let blank = [&b"\n\n"[..], b"\n\r\n"].into_iter().filter_map(|blank| find(body, blank)).min();
    body.split_at(blank.unwrap_or(body.len()))
}

/// Whether there is more than white space between two items. What looks like a damaged border is an item that would be lost.
fn other_text(text: &[u8]) -> Result<bool, PemFault> {
    let upper = text.to_ascii_uppercase();
    let damaged: [&[u8]; 5] = [b"--BEGIN", b"--END ", b"CERTIFICATE--", b"KEY--", b"CRL--"];
    if damaged.into_iter().any(|border| find(&upper, border).is_some()) {
        return Err(PemFault::Border);
    }
    Ok(!text.iter().all(u8::is_ascii_whitespace))
}

fn without_mark(text: &[u8]) -> Result<&[u8], PemFault> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(PemFault::Utf16);
    }
    Ok(text.strip_prefix(UTF8_MARK).unwrap_or(text))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == first) {
        if text[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// The armour of a certificate, 64 columns wide.
pub(crate) fn certificate_to_pem(der: &[u8]) -> String {
    to_pem("CERTIFICATE", der)
}

fn to_pem(label: &str, der: &[u8]) -> String {
    const LINE: usize = 64;
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for start in (0..text.len()).step_by(LINE) {
        // Base64 is ASCII, so every index is a boundary.
        pem.push_str(&text[start..text.len().min(start + LINE)]);
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: impl AsRef<[u8]>) -> Vec<String> {
        PemText::read(text.as_ref()).unwrap().items.into_iter().map(|item| item.label).collect()
    }

    #[test]
    fn as_many_items_come_out_as_labels_go_in() {
        let (one, two) = (certificate_to_pem(&[1; 100]), to_pem("X509 CRL", &[2; 70]));
        let both = ["CERTIFICATE", "X509 CRL"];
        let glued = format!("{}{two}", one.trim_end());
        for text in [
            format!("{one}{two}"),
            glued.clone(),
            format!("\u{feff}{one}\u{feff}{two}"),
            format!("\u{feff}{glued}"),
            format!("{one}{two}").replace('\n', "\r\n"),
            format!("{one}{two}").replace('\n', "\r"),
            format!("a comment\n{one}  another\n--- end of the first ---\n{two}\n"),
            format!("{one}text in front {two}"),
        ] {
            assert_eq!(labels(&text), both, "{text}");
        }
        let read = PemText::read(format!("\u{feff}{glued}").as_bytes()).unwrap();
        assert_eq!((read.items[0].der.as_slice(), read.items[1].der.as_slice()), (&[1_u8; 100][..], &[2_u8; 70][..]));
        assert!(!read.has_other_text && PemText::read(b"x").unwrap().has_other_text);
        assert!(labels("").is_empty() && labels("no item at all").is_empty());
    }

    #[test]
    fn what_would_be_lost_is_refused_in_words() {
        let good = certificate_to_pem(&[1; 100]);
        let dashes = |from: &str, to: &str| format!("{good}{}", good.replace(from, to));
        for (text, wanted) in [
            ("-----BEGIN CERTIFICATE-----\nAAAA\n".to_owned(), "END CERTIFICATE is missing"),
            ("-----BEGIN CERTIFICATE\nAAAA\n".to_owned(), "-----BEGIN"),
            ("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n".to_owned(), "invalid base64"),
            (format!("-----BEGIN CERTIFICATE-----\nAAAA\n{good}"), "truncated"),
            (good.replace("END CERTIFICATE", "END X509 CRL"), "ends as X509 CRL"),
            (dashes("-----BEGIN ", "----BEGIN "), "damaged"),
            (dashes("-----BEGIN ", "BEGIN "), "damaged"),
            (dashes("-----BEGIN ", "-----begin "), "damaged"),
            (dashes("-----BEGIN CERTIFICATE-----", ""), "damaged"),
            (format!("{good}-----END CERTIFICATE-----\n"), "damaged"),
            ("-----BEGIN -----\nAAAA\n-----END -----\n".to_owned(), "damaged"),
        ] {
            let fault = PemText::read(text.as_bytes()).unwrap_err().to_string();
            assert!(fault.contains(wanted), "{text}: {fault}");
        }
        let utf16: Vec<u8> = "\u{feff}x".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(PemText::read(&utf16).unwrap_err(), PemFault::Utf16);
    }

    #[test]
    fn header_lines_say_that_a_key_is_encrypted() {
        let plain = to_pem("RSA PRIVATE KEY", &[3; 9]);
        let sealed = plain.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1);
        for (text, encrypted) in [(plain, false), (sealed.replace('\n', "\r\n"), true), (sealed, true)] {
            let read = PemText::read(text.as_bytes()).unwrap();
            assert_eq!((read.items[0].encrypted, read.items[0].der.len()), (encrypted, 9), "{text}");
            assert!(read.items[0].is_private_key());
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(-----BEGIN |-----END |A|-----|KEY|\n|:| |\u{feff}){0,20}") {
            let read = PemText::read(text.as_bytes());
            let begun = text.matches("-----BEGIN ").count();
            proptest::prop_assert!(read.map_or(true, |read| read.items.len() == begun));
        }
    }
}
