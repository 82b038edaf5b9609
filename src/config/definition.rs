//! The one place of a setting: [`settings!`] makes the field, its default, its parsing and its part of the sample from one
//! definition, so that they cannot contradict each other.
//!
//! A room takes the section itself (`auth` takes [`super::AuthSettings`]), so a new key is a definition here and its use there.
//! Deriving serde per section instead would stop at the first error and lose where a value came from.

use super::reader::Keys;

/// The keys of one section, as [`settings!`] defines them.
pub(super) trait Section: Default {
    /// Reads all keys, in the order of their definition.
    fn read(keys: &mut Keys<'_, '_>) -> Self;

    /// The keys with their values, as a file would have them.
    fn values(&self) -> Vec<(&'static str, toml::Value)>;

    /// The same keys for the sample.
    fn sample() -> Vec<SampleKey>;
}

/// A key as the sample shows it.
pub(super) struct SampleKey {
    pub(super) name: &'static str,
    /// The lines of its documentation, each with a space in front.
    pub(super) text: &'static [&'static str],
    pub(super) default: toml::Value,
}

/// Defines a section: `name: Type = default;` for each key, or `name: Type = default, check;` with a check from
/// [`super::checks`]. The documentation of a key is for operators: the sample prints it word for word.
macro_rules! settings {
    (
        $(#[$about:meta])*
        $section:ident {
            $(
                $(#[doc = $text:literal])+
                $key:ident: $type:ty = $default:expr $(, $check:expr)?;
            )+
        }
    ) => {
        $(#[$about])*
        #[allow(
            clippy::doc_markdown,
            clippy::doc_link_with_quotes,
            rustdoc::bare_urls,
            rustdoc::broken_intra_doc_links,
            reason = "the text of the sample, which is not Markdown"
        )]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $section {
            $( $(#[doc = $text])+ pub $key: $type, )+
        }

        /// The values that are in force if an operator sets nothing.
        impl Default for $section {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        impl $crate::config::definition::Section for $section {
            fn read(keys: &mut $crate::config::reader::Keys<'_, '_>) -> Self {
                let defaults = Self::default();
                Self { $( $key: settings!(@read keys, defaults, $key $(, $check)?), )+ }
            }

            fn values(&self) -> Vec<(&'static str, toml::Value)> {
                use $crate::config::setting::Setting;

                vec![$( (stringify!($key), self.$key.to_toml()) ),+]
            }

            fn sample() -> Vec<$crate::config::definition::SampleKey> {
                use $crate::config::{definition::SampleKey, setting::Setting};

                let defaults = Self::default();
                vec![$( SampleKey {
                    name: stringify!($key),
                    text: &[$( $text ),+],
                    default: defaults.$key.to_toml(),
                } ),+]
            }
        }
    };
    (@read $keys:ident, $defaults:ident, $key:ident) => {
        $keys.get(stringify!($key), $defaults.$key)
    };
    (@read $keys:ident, $defaults:ident, $key:ident, $check:expr) => {
        $keys.checked(stringify!($key), $defaults.$key, $check)
    };
}

pub(super) use settings;
