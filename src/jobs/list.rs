//! The table of the jobs: what runs how often, and what it means when it fails.

use std::sync::Arc;
use std::time::Duration;

use super::apply_retention::ApplyRetention;
use super::collect_garbage::CollectGarbage;
use super::compare_settings::CompareSettings;
use super::copy_metadata::{CopyMetadata, KeepCopy};
use super::drop_abandoned_uploads::DropAbandonedUploads;
use super::expire_uploads::ExpireUploads;
use super::follow_certificate::FollowCertificate;
use super::follow_challenges::FollowChallenges;
use super::follow_client_files::FollowClientFiles;
use super::follow_move::FollowMove;
use super::follow_shared_files::{Follow, FollowSharedFiles};
use super::forget_history::ForgetHistory;
use super::heartbeat::Heartbeat;
use super::job::{Job, blocking};
use super::order_certificate::OrderCertificate;
use super::quotas::{CountQuotas, FollowQuotas};
use super::record_pulls::RecordPulls;
use super::reload_policy::ReloadPolicy;
use super::remove_database_copies::remove_database_copies;
use super::renew_certificate::RenewCertificate;
use super::rotate_keys::RotateKeys;
use super::scrub::Scrub;
use super::share_logins::ShareLogins;
use crate::admin::Retention;
use crate::auth::Authenticator;
use crate::domain::Clock;
use crate::pki::IdentitySource;
use crate::pki::acme::{AcmeChallenges, AcmeStore, Orderer};
use crate::registry::{CollectionPace, Registry};
use crate::storage::coordination::BEAT;
use crate::storage::metadata::sqlite::DatabaseCopies;
use crate::tls::{ClientVerifier, ServingIdentity};

/// What the jobs of a server work on.
pub(crate) struct Parts {
    pub(crate) auth: Arc<Authenticator>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) retention: Retention,
    pub(crate) serving: Arc<ServingIdentity>,
    pub(crate) source: IdentitySource,
    /// Publishes another CA once it is in force, and warns before one expires.
    pub(crate) follow_authority: Box<dyn FnMut() + Send>,
    /// Where nodes share the certificates.
    pub(crate) follow_shared_files: Option<Follow>,
    /// Where client certificates are accepted.
    pub(crate) clients: Option<Arc<ClientVerifier>>,
    /// The copies of the database, where that is a file.
    pub(crate) copies: Option<DatabaseCopies>,
    /// Makes copies of the database next to the blobs, where that is switched on.
    pub(crate) keep_copy: Option<KeepCopy>,
    /// Where ACME is switched on.
    pub(crate) acme: Option<AcmeParts>,
    /// Where other nodes may serve from the same database.
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) clock: Clock,
}

/// What ACME needs besides.
pub(crate) struct AcmeParts {
    pub(crate) challenges: Arc<AcmeChallenges>,
    pub(crate) store: Arc<dyn AcmeStore>,
    pub(crate) orderer: Orderer,
}

/// The jobs of a server with these parts.
pub(crate) fn list(parts: Parts) -> Vec<Job> {
    let Parts {
        auth,
        registry,
        retention,
        serving,
        source,
        follow_authority,
        follow_shared_files,
        clients,
        copies,
        keep_copy,
        acme,
        heartbeat,
        clock,
    } = parts;
    let for_logins = Arc::clone(&auth);
    let mut jobs = vec![
        Job::new(
            "reload-policy",
            millis(250),
            "cannot bring users, grants, keys and rules up to date; those read last stay in force",
            ReloadPolicy(Arc::clone(&auth), Arc::clone(&registry)),
        )
        .retry(millis(250), secs(1)),
        Job::new("rotate-keys", mins(1), "cannot rotate the token keys; those in use stay in use", RotateKeys(auth))
            .under_lease(),
    ];
    jobs.extend(registry_jobs(&registry, &clock));
    jobs.push(apply_retention(retention));
    jobs.extend(certificate_jobs(Arc::clone(&serving), source, follow_authority, clock.clone()));
    jobs.extend(follow_shared_files.map(follow_shared));
    jobs.extend(copies.map(|copies| remove_copies(copies, clock.clone())));
    jobs.extend(keep_copy.map(copy_metadata));
    jobs.extend(clients.map(|clients| follow_client_files(clients, clock.clone())));
    jobs.extend(heartbeat.map(|heartbeat| node_jobs(heartbeat, for_logins)).into_iter().flatten());
    jobs.extend(acme.map(|acme| acme_jobs(acme, serving, clock)).into_iter().flatten());
    jobs
}

/// What keeps the stored content in order.
fn registry_jobs(registry: &Arc<Registry>, clock: &Clock) -> Vec<Job> {
    let expire = ExpireUploads(Arc::clone(registry));
    let mut jobs = vec![
        follow_move(Arc::clone(registry)),
        collect_garbage(registry),
        scrub(registry, clock),
        forget_history(Arc::clone(registry)),
        Job::new("expire-uploads", mins(5), "cannot drop expired upload sessions", expire)
            .first_after(mins(5))
            .under_lease(),
    ];
    jobs.extend(quotas(registry));
    jobs.push(record_pulls(registry));
    jobs.extend(registry.has_abandoned_uploads().then(|| drop_abandoned_uploads(Arc::clone(registry))));
    jobs
}

fn follow_move(registry: Arc<Registry>) -> Job {
    Job::new("follow-move", millis(500), "cannot ask whether the registry is being moved", FollowMove(registry))
        .retry(millis(500), secs(5))
}

fn quotas(registry: &Arc<Registry>) -> [Job; 2] {
    let consequence = "cannot read what is used of the quotas; uploads are refused when their manifest comes";
    let follow = Job::new("follow-quotas", secs(1), consequence, FollowQuotas(Arc::clone(registry)));
    let consequence = "cannot count what quotas cover; they are enforced on what is counted";
    let count = Job::new("count-quotas", secs(10), consequence, CountQuotas(Arc::clone(registry)));
    [follow.retry(secs(1), secs(10)), count.first_after(secs(10)).under_lease()]
}

/// On every node: they share the work by claims in the queue.
fn collect_garbage(registry: &Arc<Registry>) -> Job {
    let settings = registry.settings();
    // On a disk, this process alone removes the contents that `portcullis gc` has found.
    let pace = CollectionPace { reviews: settings.gc.enabled, ..CollectionPace::of(&settings.gc, &settings.trash) };
    let collect = CollectGarbage::new(Arc::clone(registry), pace);
    let consequence = "cannot remove what nothing refers to; its space stays in use";
    Job::new("collect-garbage", secs(2), consequence, collect).first_after(secs(2)).retry(secs(2), mins(1))
}

/// It is due once a day; that is found in the database.
fn apply_retention(retention: Retention) -> Job {
    let consequence = "cannot remove what no retention rule keeps; it stays";
    Job::new("apply-retention", mins(10), consequence, ApplyRetention(retention)).first_after(mins(1)).under_lease()
}

/// On every node: each writes down what it has served.
fn record_pulls(registry: &Arc<Registry>) -> Job {
    let consequence = "cannot record when images were last pulled; what was noted waits in memory";
    Job::new("record-pulls", secs(30), consequence, RecordPulls(Arc::clone(registry)))
        .first_after(secs(30))
        .retry(secs(30), mins(1))
}

/// On a disk, by the process that serves it; of nodes that share a bucket, by one.
fn scrub(registry: &Arc<Registry>, clock: &Clock) -> Job {
    let scrub = Scrub::new(Arc::clone(registry), clock.clone());
    let consequence = "cannot read back stored content; damage is found only when it is pulled";
    Job::new("scrub", secs(10), consequence, scrub).first_after(secs(10)).retry(mins(1), hours(1)).under_lease()
}

/// Looks for the time of the newest copy; of several nodes, one makes them.
fn copy_metadata(keep: KeepCopy) -> Job {
    let consequence = "cannot copy the database next to the blobs; if it is lost, only a backup brings it back";
    Job::new("copy-metadata", mins(5), consequence, CopyMetadata(keep)).first_after(secs(5)).under_lease()
}

fn forget_history(registry: Arc<Registry>) -> Job {
    let consequence = "cannot forget the oldest history of tags; it stays";
    Job::new("forget-history", hours(1), consequence, ForgetHistory(registry)).first_after(mins(10)).under_lease()
}

fn remove_copies(copies: DatabaseCopies, clock: Clock) -> Job {
    let remove = blocking(remove_database_copies(copies, clock));
    Job::new("remove-database-copies", hours(1), "cannot remove old copies of the database", remove)
}

/// Once a day; its node is the one that has the lease of its name.
fn drop_abandoned_uploads(registry: Arc<Registry>) -> Job {
    let consequence = "cannot drop what interrupted uploads left in the bucket";
    Job::new("drop-abandoned-uploads", hours(24), consequence, DropAbandonedUploads(registry))
        .first_after(hours(1))
        .under_lease()
}

fn certificate_jobs(
    serving: Arc<ServingIdentity>,
    source: IdentitySource,
    mut follow_authority: Box<dyn FnMut() + Send>,
    clock: Clock,
) -> [Job; 3] {
    let mut follow = FollowCertificate::new(Arc::clone(&serving), source.clone());
    let mut renew = RenewCertificate::new(serving, source, clock);
    let authority = move |_| {
        follow_authority();
        Ok(())
    };
    [
        Job::new(
            "follow-certificate",
            millis(400),
            "the new certificate is rejected; the one in use stays",
            blocking(move |cause| follow.step(cause)),
        )
        .retry(millis(400), millis(400))
        .on_reload(),
        Job::new(
            "renew-certificate",
            secs(1),
            "the certificate could not be renewed; the one in use stays",
            blocking(move |_| renew.step()),
        )
        .retry(mins(1), hours(6)),
        Job::new("follow-authority", millis(400), "cannot follow changes of the CA", blocking(authority))
            .retry(millis(400), mins(1)),
    ]
}

fn follow_shared(follow: Follow) -> Job {
    let consequence = "cannot look for changed certificates in the database; those in use stay in use";
    Job::new("follow-shared-files", millis(400), consequence, FollowSharedFiles(follow)).retry(millis(400), secs(1))
}

fn follow_client_files(clients: Arc<ClientVerifier>, clock: Clock) -> Job {
    let mut follow = FollowClientFiles::new(clients, clock);
    let consequence = "the new files of [client_certificates] are rejected; what was read before stays in use";
    Job::new("follow-client-files", millis(250), consequence, blocking(move |cause| follow.step(cause)))
        .retry(millis(250), millis(250))
        .on_reload()
}

/// What a node does because there may be others.
fn node_jobs(heartbeat: Heartbeat, auth: Arc<Authenticator>) -> [Job; 3] {
    let compare = CompareSettings::new(heartbeat.store());
    [
        Job::new("heartbeat", BEAT, "cannot tell the other nodes that this one is there", heartbeat)
            .retry(secs(1), BEAT),
        Job::new("compare-settings", secs(30), "cannot compare settings with the other nodes", compare)
            .first_after(secs(2)),
        Job::new(
            "share-logins",
            secs(1),
            "cannot count wrong passwords together with the other nodes; each counts by itself",
            ShareLogins(auth),
        )
        .retry(secs(1), secs(5)),
    ]
}

/// Authorities allow about five failed orders per name and hour.
fn acme_jobs(acme: AcmeParts, serving: Arc<ServingIdentity>, clock: Clock) -> [Job; 2] {
    let AcmeParts { challenges, store, orderer } = acme;
    [
        Job::new(
            "follow-challenges",
            millis(250),
            "cannot read the ACME challenges to answer",
            FollowChallenges { challenges, store },
        )
        .retry(millis(250), secs(1)),
        Job::new(
            "order-certificate",
            secs(1),
            "no certificate could be ordered; the one in use stays",
            OrderCertificate::new(orderer, serving, clock),
        )
        .retry(mins(2), hours(6))
        .under_lease(),
    ]
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn mins(count: u64) -> Duration {
    Duration::from_mins(count)
}

fn hours(count: u64) -> Duration {
    Duration::from_hours(count)
}
