//! Query parameters: read once, looked up by name.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::http::error::{Code, OciError};

/// A request's query, decoded.
pub(in crate::http) struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    /// Reads `a=b&c=d`; a missing query is an empty one.
    pub(in crate::http) fn parse(query: Option<&'q str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect())
    }

    /// The first value of a parameter.
    pub(in crate::http) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter.
    pub(in crate::http) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    /// A parameter that stands there more than once, though it is not one that `may` repeat. Of what a client sent so, each reader would
    /// see another value.
    pub(in crate::http) fn repeated(&self, may: &[&str]) -> Option<&str> {
        let mut seen = HashSet::new();
        let names = self.0.iter().map(|(name, _)| name.as_ref()).filter(|name| !may.contains(name));
        names.into_iter().find(|name| !seen.insert(*name))
    }

    /// The page size `n`: a number, however large; no memory is set aside for it.
    pub(in crate::http) fn page_size(&self) -> Result<Option<u32>, OciError> {
        match self.get("n") {
            None => Ok(None),
            Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Some(text.parse().unwrap_or(u32::MAX)))
            }
            Some(_) => Err(OciError::new(Code::PaginationNumberInvalid, "the parameter n must be a number, 0 or more")),
        }
    }
}
