//! What a definition may demand of a value beyond its type.

use std::ops::RangeInclusive;

use super::setting::Setting;

/// Between two bounds, both allowed.
pub(super) fn within<S: Setting + PartialOrd>(bounds: RangeInclusive<S>) -> impl Fn(&S) -> Result<(), String> {
    move |value| {
        if bounds.contains(value) {
            return Ok(());
        }
        let [value, least, most] = [value, bounds.start(), bounds.end()].map(Setting::to_toml);
        Err(format!("{value} is out of bounds: choose between {least} and {most}"))
    }
}

/// The same check where `"none"` is allowed as well.
pub(super) fn unless_none<S>(check: impl Fn(&S) -> Result<(), String>) -> impl Fn(&Option<S>) -> Result<(), String> {
    move |value| {
        let result = value.as_ref().map_or(Ok(()), &check);
        result.map_err(|problem| format!("{problem}, or \"none\""))
    }
}

/// The same check for every item of a list.
pub(super) fn each<S>(check: impl Fn(&S) -> Result<(), String>) -> impl Fn(&Vec<S>) -> Result<(), String> {
    move |values| values.iter().try_for_each(&check)
}

/// A check of a text.
pub(super) fn text(check: impl Fn(&str) -> Result<(), String>) -> impl Fn(&String) -> Result<(), String> {
    move |value| check(value)
}
