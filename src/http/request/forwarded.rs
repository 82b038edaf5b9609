//! What proxies say of a request in its `Forwarded` header (RFC 7239).

use axum::http::HeaderMap;
use axum::http::header::FORWARDED;

/// What one proxy says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Hop {
    /// Who asked the proxy.
    pub(in crate::http) by_client: Option<String>,
    /// Under which host.
    pub(in crate::http) host: Option<String>,
    /// Over which protocol.
    pub(in crate::http) proto: Option<String>,
}

/// What each proxy says, in the order in which they added it. Whatever cannot be read is a proxy that says nothing.
pub(in crate::http) fn hops(headers: &HeaderMap) -> Vec<Hop> {
    let lines = headers.get_all(FORWARDED).into_iter().map(|value| value.to_str().unwrap_or_default());
    lines.flat_map(|line| split(line, ',').into_iter().map(hop)).collect()
}

fn hop(element: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in split(element, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = Some(unquoted(value.trim()));
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.by_client = value,
            "host" => hop.host = value,
            "proto" => hop.proto = value,
            _ => {}
        }
    }
    hop
}

/// Splits at a separator that is not within quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(|letter| {
        let separates = letter == separator && !is_quoted;
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        separates
    })
    .collect()
}

/// A token as it is, a quoted string without quotes and escapes.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.to_owned() };
    let mut letters = inner.chars();
    let mut text = String::with_capacity(inner.len());
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(lines: &[&str]) -> Vec<Hop> {
        let values = lines.iter().map(|line| HeaderValue::from_str(line).expect("a header"));
        hops(&values.map(|value| (FORWARDED, value)).collect())
    }

    fn said(client: &str, host: &str, proto: &str) -> Hop {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Hop { by_client: text(client), host: text(host), proto: text(proto) }
    }

    #[test]
    fn elements_come_from_every_line_in_order() {
        let lines =
            ["for=192.0.2.43, For=\"[2001:db8::1]:4711\"", "proto=https;host=\"hub.test:8443\" ; by=x;for=_hidden"];
        let expected =
            [said("192.0.2.43", "", ""), said("[2001:db8::1]:4711", "", ""), said("_hidden", "hub.test:8443", "https")];
        assert_eq!(read(&lines), expected);
    }

    #[test]
    fn quotes_hide_separators_and_nonsense_says_nothing() {
        assert_eq!(read(&[r#"host="a,b;c=\"d\\";proto=http"#]), [said("", r#"a,b;c="d\"#, "http")]);
        assert_eq!(read(&["", "for", ";;", "=", "for=\"unclosed, for=1.1.1.1"]).len(), 5);
        assert!(read(&[]).is_empty());
    }
}
