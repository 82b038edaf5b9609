//! PEM texts (RFC 7468): certificates written as such, and what is wrong with one, in words for whoever has to mend the file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::Error;

/// The armour of a certificate, 64 columns wide.
pub fn certificate_to_pem(der: &[u8]) -> String {
    const LINE: usize = 64;
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for start in (0..text.len()).step_by(LINE) {
        // Base64 is ASCII, so every index is a boundary.
        pem.push_str(&text[start..text.len().min(start + LINE)]);
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// The library's own words show bytes as numbers.
pub fn pem_fault(error: &Error) -> String {
    match error {
        Error::MissingSectionEnd { end_marker } => {
            let kind = String::from_utf8_lossy(end_marker);
            format!("the line END {} is missing: the text breaks off", kind.escape_default())
        }
        Error::IllegalSectionStart { .. } => "a line that begins with -----BEGIN does not end with -----".to_owned(),
        Error::Base64Decode(_) => "it is no base64 between BEGIN and END".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn faults_are_said_in_words() {
        for (text, wanted) in [
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "END CERTIFICATE is missing"),
            ("-----BEGIN CERTIFICATE\nAAAA\n", "-----BEGIN"),
            ("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", "base64"),
        ] {
            let fault = pem_fault(&CertificateDer::from_pem_slice(text.as_bytes()).unwrap_err());
            assert!(fault.contains(wanted) && !fault.contains('['), "{text}: {fault}");
        }
    }
}
