//! Who acts: what every permit says of its holder, so that what records, counts or announces an action asks no one else.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::auth::{
    Authorized, CatalogPermit, Credential, CredentialId, Denial, Permission, Policy, Principal, VerifiedCredential,
};
use crate::domain::RepositoryName;

/// A principal, the credential that proves it, and the request that it acts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    principal: Principal,
    credential: CredentialId,
    address: Option<IpAddr>,
    request_id: Option<Uuid>,
}

impl Actor {
    /// For policy, which has verified the credential.
    pub(super) fn new(credential: &Credential, caller: &Caller) -> Self {
        Self {
            principal: credential.principal().clone(),
            credential: credential.id().clone(),
            address: Some(caller.address),
            request_id: Some(caller.request_id),
        }
    }

    /// The operator at the command line: no address, no request.
    pub(super) fn operator(user: String) -> Self {
        Self {
            principal: Principal::Operator { user },
            credential: CredentialId::DataDirectory,
            address: None,
            request_id: None,
        }
    }

    /// Who acts.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// By which credential.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// The client's address; `None` at the command line.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The request's name, as in the log and in `X-Request-Id`; `None` at the command line.
    pub fn request_id(&self) -> Option<Uuid> {
        self.request_id
    }
}

/// What asks policy for a permit: a verified credential, the policy that it was verified by, and the request that presented it.
#[derive(Clone, Debug)]
pub struct Caller {
    credential: Credential,
    policy: Arc<Policy>,
    address: IpAddr,
    request_id: Uuid,
}

impl Caller {
    /// A request from `address` that presented this credential.
    pub fn new(
        VerifiedCredential { credential, policy }: VerifiedCredential,
        address: IpAddr,
        request_id: Uuid,
    ) -> Self {
        Self { credential, policy, address, request_id }
    }

    /// What was presented.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// What applies to its holder, as it was when the credential was verified.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Asks for a permit: see [`Policy::authorize`].
    pub fn authorize<P: Permission>(&self, repository: &RepositoryName) -> Result<Authorized<P>, Denial> {
        self.policy.authorize(self, repository)
    }

    /// Asks for a permit to list repositories: see [`Policy::authorize_catalog`].
    pub fn authorize_catalog(&self) -> Result<CatalogPermit, Denial> {
        self.policy.authorize_catalog(self)
    }
}

#[cfg(test)]
impl Caller {
    pub(in crate::auth) fn for_tests(credential: &Credential) -> Self {
        let verified = VerifiedCredential { credential: credential.clone(), policy: Arc::default() };
        Self::new(verified, IpAddr::from([192, 0, 2, 1]), Uuid::from_u128(7))
    }
}
