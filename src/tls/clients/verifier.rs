//! What the TLS library asks about a client's certificate: a trust store that is swapped while the server runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::digests::ClientDigests;
use super::{ClientFiles, ClientFilesError, PresentedCertificate, TrustStore};
use crate::domain::{Clock, UserRule};

/// Which client certificates count, now.
#[derive(Debug)]
pub struct ClientVerifier {
    clock: Clock,
    files: ClientFiles,
    rule: UserRule,
    required: bool,
    trust_store: ArcSwap<TrustStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    /// Reads the files. `required`: a handshake without a certificate fails.
    pub fn open(
        files: ClientFiles,
        rule: UserRule,
        required: bool,
        clock: Clock,
    ) -> Result<Arc<Self>, ClientFilesError> {
        let trust_store = ArcSwap::from_pointee(files.load(clock.now())?);
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        Ok(Arc::new(Self { clock, files, rule, required, trust_store, algorithms }))
    }

    /// Whether a client without a certificate is refused.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// What the handshake left of a client: `None` where it showed no certificate.
    pub fn presented(self: &Arc<Self>, chain: Option<&[CertificateDer<'static>]>) -> Option<PresentedCertificate> {
        let chain = chain.filter(|chain| !chain.is_empty())?;
        Some(PresentedCertificate::new(Arc::clone(self), chain.to_vec()))
    }

    /// Reads the files again, and uses them from now on; where they are not usable, nothing changes.
    pub(crate) fn reload(&self) -> Result<(), ClientFilesError> {
        self.trust_store.store(Arc::new(self.files.load(self.clock.now())?));
        Ok(())
    }

    pub(crate) fn files(&self) -> &ClientFiles {
        &self.files
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn rule(&self) -> &UserRule {
        &self.rule
    }

    /// What counts now, to be compared with other nodes.
    pub(crate) fn digests(&self) -> ClientDigests {
        self.trust_store.load().digests.clone()
    }

    /// What is about to expire, or has, of what counts now.
    pub(crate) fn warnings(&self, now: Timestamp) -> Vec<String> {
        self.trust_store.load().warnings(now)
    }

    pub(super) fn trust_store(&self) -> Arc<TrustStore> {
        self.trust_store.load_full()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    /// None: a client then shows the certificate that it has, and where that is a wrong one, the log tells so. With the names of our
    /// CAs it would keep it to itself, and be treated as anonymous.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.trust_store.load().verify(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
