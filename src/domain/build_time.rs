//! When this program was built: no clock that is right says an earlier time.

use jiff::Timestamp;

/// The time of the build, by `SOURCE_DATE_EPOCH` where that was set.
pub fn build_time() -> Timestamp {
    // The build script writes a number; without one every time is plausible.
    env!("PORTCULLIS_BUILT")
        .parse()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_and_past() {
        assert!(build_time() > Timestamp::from_second(1_760_000_000).unwrap() && build_time() <= Timestamp::now());
    }
}
