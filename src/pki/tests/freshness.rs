//! A running server follows its files and renews its own certificate.

use std::fs;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::*;

const FAST: Cadence = Cadence {
    poll: Duration::from_millis(20),
    retry: Duration::from_millis(20),
    retry_cap: Duration::from_millis(50),
    warn: Duration::from_secs(1),
};

struct Running {
    serving: Arc<ServingIdentity>,
    reload: Arc<Notify>,
    _stop: tokio_util::sync::DropGuard,
}

fn run(identity: Identity, source: IdentitySource, cadence: Cadence) -> Running {
    let (serving, reload, stop) = (ServingIdentity::new(identity), Arc::new(Notify::new()), CancellationToken::new());
    tokio::spawn(keep_fresh(Arc::clone(&serving), source, cadence, Arc::clone(&reload), stop.clone()));
    Running { serving, reload, _stop: stop.drop_guard() }
}

impl Running {
    fn shown(&self) -> Fingerprint {
        self.serving.current().summary().fingerprint
    }

    async fn becomes(&self, wanted: impl Fn(&Identity) -> bool) {
        let watch = tokio::time::timeout(Duration::from_secs(3), async {
            while !wanted(&self.serving.current()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        watch.await.expect("the certificate is swapped within its time");
    }
}

fn own(dir: &Path) -> IdentitySource {
    let wanted = names(&["a.test"]);
    Authority::create(dir, &wanted, Constraints::ToNames).unwrap();
    IdentitySource::data_directory(dir, wanted)
}

#[tokio::test]
async fn renewals_and_imports_of_other_processes_are_seen_within_a_second() {
    let (data, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = own(data.path());
    let running = run(source.prepare().unwrap(), source, Cadence::default());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (first, begun) = (running.shown(), std::time::Instant::now());
    renew_leaf(data.path(), &mut Authority::load(data.path()).unwrap(), &names(&["a.test"])).unwrap();
    running.becomes(|identity| identity.summary().fingerprint != first).await;
    assert!(begun.elapsed() < Duration::from_millis(1200), "{:?}", begun.elapsed());

    let pair = operators_pair(dir.path(), &operators_params());
    imported(data.path(), &pair.0, &pair.1).unwrap();
    running.becomes(|identity| identity.origin() == Origin::Imported).await;
    remove_import(data.path()).unwrap();
    running.becomes(|identity| identity.origin() == Origin::Own).await;
}

#[tokio::test]
async fn a_bad_pair_is_refused_and_the_old_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let pair = operators_pair(dir.path(), &operators_params());
    let source = IdentitySource::files(dir.path(), &pair.0, &pair.1);
    let running = run(source.prepare().unwrap(), source, FAST);
    let first = running.shown();
    fs::write(&pair.0, "torn").unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(running.shown(), first);
    running.reload.notify_one();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(running.shown(), first);
    operators_pair(dir.path(), &operators_params());
    running.becomes(|identity| identity.summary().fingerprint != first).await;
}

/// As Kubernetes does it: the files are links into a directory that is itself swapped by a link.
#[tokio::test]
async fn a_swapped_link_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    for made in [&old, &new] {
        fs::create_dir(made).unwrap();
        operators_pair(made, &operators_params());
    }
    let current = dir.path().join("current");
    std::os::unix::fs::symlink(&old, &current).unwrap();
    let source = IdentitySource::files(dir.path(), current.join("server.pem"), current.join("server.key"));
    let running = run(source.prepare().unwrap(), source, FAST);
    let first = running.shown();
    let swap = dir.path().join("swap");
    std::os::unix::fs::symlink(&new, &swap).unwrap();
    fs::rename(&swap, &current).unwrap();
    running.becomes(|identity| identity.summary().fingerprint != first).await;
}

#[tokio::test]
async fn a_rotation_is_followed_and_the_chain_shrinks_by_itself_when_the_overlap_ends() {
    let data = tempfile::tempdir().unwrap();
    let source = own(data.path());
    let running = run(source.prepare().unwrap(), source, FAST);
    let (first, wanted) = (running.shown(), names(&["a.test"]));
    let overlap = Some(Duration::from_secs(2));
    let succession = Succession { names: wanted, added: Vec::new(), constraints: Constraints::ToNames, overlap };
    let new = Authority::rotate(data.path(), &succession).unwrap();
    running.becomes(|identity| identity.summary().fingerprint != first).await;
    let length = || running.serving.current().shown_for(Some("a.test"), jiff::Timestamp::now()).cert.len();
    assert_eq!(length(), 3);
    let until = new.rotation(jiff::Timestamp::now()).unwrap().until();
    while jiff::Timestamp::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(length(), 2);
}

/// A leaf of which the larger part has passed, signed with the authority's own key.
fn old_leaf(data: &Path) -> Identity {
    let paths = TlsPaths::new(data);
    let issuing = fs::read_to_string(paths.issuing_certificate()).unwrap();
    let key = KeyPair::from_pem(&fs::read_to_string(paths.issuing_key()).unwrap()).unwrap();
    let mut params = in_time();
    params.not_before -= time::Duration::days(80);
    params.subject_alt_names = vec![alternative("a.test")];
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&leaf_key, &Issuer::from_ca_cert_pem(&issuing, key).unwrap()).unwrap();
    private_file::make_directory(&paths.serving_dir()).unwrap();
    write_key(&paths.leaf_key(), leaf_key.serialize_pem().as_bytes()).unwrap();
    write_public(&paths.leaf_chain(), (leaf.pem() + &issuing).as_bytes()).unwrap();
    Identity::load(&paths.leaf_chain(), &paths.leaf_key(), Origin::Own, jiff::Timestamp::now()).unwrap()
}

#[tokio::test]
async fn our_own_is_renewed_at_two_thirds_and_served_on_while_that_fails() {
    let data = tempfile::tempdir().unwrap();
    let source = own(data.path());
    let paths = TlsPaths::new(data.path());
    let identity = old_leaf(data.path());
    let hidden = data.path().join("hidden");
    fs::rename(paths.authority_dir(), &hidden).unwrap();
    let running = run(identity, source, FAST);
    let first = running.shown();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(running.shown(), first, "without its authority the old one is served on");
    fs::rename(&hidden, paths.authority_dir()).unwrap();
    running.becomes(|identity| identity.summary().fingerprint != first).await;
    let now = jiff::Timestamp::now();
    let current = running.serving.current();
    assert!(!renewal_due(current.summary().not_before, current.summary().not_after, now));
}
