//! Certificate files read without using, renewing or refusing them.

use std::path::Path;

use rustls_pki_types::CertificateDer;

use super::CertificateSummary;
use super::permitted_names::PermittedNames;
use crate::pki::certificate;
use crate::pki::error::PkiError;
use crate::pki::files::private_file::read_public;

/// One certificate of a file.
#[derive(Debug, Clone)]
pub(crate) struct Inspected {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// What it says.
    pub summary: CertificateSummary,
    /// What it may sign for, where it is a CA.
    pub permitted: PermittedNames,
}

/// The certificates of a PEM file in their order, at least one, whatever their dates are.
pub(crate) fn inspect(path: &Path) -> Result<Vec<Inspected>, PkiError> {
    let chain = certificate::from_pem(path, &read_public(path)?)?;
    let one = |der: CertificateDer<'static>| {
        let summary = CertificateSummary::read(path, &der)?;
        let permitted = PermittedNames::from_certificate(&certificate::parse(path, &der)?);
        Ok(Inspected { der, summary, permitted })
    };
    chain.into_iter().map(one).collect()
}
