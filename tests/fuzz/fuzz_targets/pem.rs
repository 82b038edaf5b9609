//! PEM texts: as many items come out as labels go in, or the text is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::pki::PemText;

fuzz_target!(|text: &[u8]| {
    if let Ok(read) = PemText::read(text) {
        let begun = text.windows(11).filter(|window| window == b"-----BEGIN ").count();
        assert_eq!(read.items.len(), begun);
    }
});
