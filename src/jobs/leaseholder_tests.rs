//! What a job sees of its lease, under a clock that moves only when everything waits.

use super::*;

fn lease(token: i64) -> Lease {
    Lease { name: "work".to_owned(), holder: "a".to_owned(), token, until: 0 }
}

fn held(token: i64) -> Held {
    Held { lease: lease(token), until: Instant::now() + TIME }
}

#[tokio::test(start_paused = true)]
async fn a_lease_lasts_while_it_is_renewed_and_then_for_its_time_and_no_longer() {
    let (sender, receiver) = watch::channel(None);
    let mut watch = LeaseWatch(receiver);
    let started = Instant::now();
    tokio::spawn(async move {
        for _ in 0..4 {
            tokio::time::sleep(RENEWAL).await;
            sender.send_replace(Some(held(1)));
        }
        // The database does not answer any more.
        tokio::time::sleep(TIME * 2).await;
        sender.send_replace(Some(held(1)));
        sender.send_replace(Some(held(2)));
        tokio::time::sleep(RENEWAL).await;
        sender.send_replace(None);
        tokio::time::sleep(TIME).await;
    });
    assert_eq!(watch.held().await, lease(1));
    assert_eq!(started.elapsed().as_secs(), 5);
    watch.lost(&lease(1)).await;
    assert_eq!(started.elapsed().as_secs(), 35, "the last renewal was at 20 seconds");
    assert_eq!(watch.held().await, lease(2));
    watch.lost(&lease(1)).await;
    watch.lost(&lease(2)).await;
    assert_eq!(started.elapsed().as_secs(), 55);
}
