//! One job at a time under a clock that moves only when everything waits.

use std::collections::VecDeque;

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::jobs::Jobs;
use crate::jobs::job::{Work, blocking};
use crate::jobs::report::JobReport;

const EVERY: Duration = Duration::from_secs(100);

/// How a run of the test's job ends.
#[derive(Clone, Copy)]
enum Ending {
    Well,
    Badly,
    Later(Duration),
    Panic,
}
use Ending::{Badly, Later, Panic, Well};

/// Ends as planned, then always well; reports when it runs and why.
struct Planned {
    endings: VecDeque<Ending>,
    takes: Duration,
    runs: UnboundedSender<(Instant, Cause)>,
}

#[async_trait]
impl Work for Planned {
    async fn run(&mut self, cause: Cause) -> Result<(), Failure> {
        self.runs.send((Instant::now(), cause)).expect("the test listens");
        tokio::time::sleep(self.takes).await;
        match self.endings.pop_front().unwrap_or(Well) {
            Well => Ok(()),
            Badly => Err(Failure::of(&"it is broken")),
            Later(wait) => Err(Failure::retry_after(&"not so fast", wait)),
            Panic => panic!("a fault of the program"),
        }
    }
}

/// The job of a test, running.
struct Started {
    jobs: Jobs,
    runs: UnboundedReceiver<(Instant, Cause)>,
    last: Instant,
    stop: CancellationToken,
}

fn start(endings: &[Ending], takes: Duration, adjust: impl FnOnce(Job) -> Job) -> Started {
    let (sender, runs) = unbounded_channel();
    let work = Planned { endings: endings.iter().copied().collect(), takes, runs: sender };
    let (job, stop) = (adjust(Job::new("test", EVERY, "the test fails", work)), CancellationToken::new());
    let jobs = Jobs::start(vec![job.on_reload()], None, &Clock::system(), &stop);
    Started { jobs, runs, last: Instant::now(), stop }
}

impl Started {
    /// Waits for the next run; gives the time since the beginning of the one before, and its cause.
    async fn next(&mut self) -> (Duration, Cause) {
        let (at, cause) = self.runs.recv().await.expect("the job runs on");
        let since = at - self.last;
        self.last = at;
        (since, cause)
    }

    fn report(&self) -> JobReport {
        self.jobs.report().remove(0)
    }
}

/// Whether a wait is `wait`, or up to a tenth shorter; timers are exact to a millisecond.
fn is_about(waited: Duration, wait: Duration) -> bool {
    (wait.mul_f64(0.9)..=wait + Duration::from_millis(2)).contains(&waited)
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_at_once_and_then_at_its_interval_or_a_little_sooner() {
    let mut started = start(&[], Duration::ZERO, |job| job);
    assert_eq!(started.next().await, (Duration::ZERO, Cause::Due));
    let mut waits = Vec::new();
    for _ in 0..50 {
        let (wait, cause) = started.next().await;
        assert!(is_about(wait, EVERY) && cause == Cause::Due, "{wait:?}");
        waits.push(wait);
    }
    waits.dedup();
    assert!(waits.len() > 10, "nodes that start together do not stay together: {waits:?}");
    let mut patient = start(&[], Duration::ZERO, |job| job.first_after(EVERY));
    assert!(is_about(patient.next().await.0, EVERY));
}

#[test]
fn waits_are_shortened_by_a_tenth_at_most_and_never_lengthened() {
    assert_eq!([0.0, 0.5, 1.0].map(|random| shortened(EVERY, random).as_secs()), [100, 95, 90]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_ever_less_often_until_it_works_again() {
    let mut started = start(&[Badly, Badly, Badly, Badly, Well, Badly], Duration::ZERO, |job| {
        job.retry(Duration::from_secs(10), Duration::from_secs(40))
    });
    started.next().await;
    for (failures, wait) in [(1, 10), (2, 20), (3, 40), (4, 40)] {
        tokio::task::yield_now().await;
        let report = started.report();
        assert_eq!((report.failures, report.runs), (failures, u64::from(failures)));
        assert_eq!(report.last.expect("it ran").result, Err("it is broken".to_owned()));
        let (waited, _) = started.next().await;
        assert!(is_about(waited, Duration::from_secs(wait)), "{waited:?} after {failures}");
    }
    assert!(is_about(started.next().await.0, EVERY), "it worked");
    assert!(is_about(started.next().await.0, Duration::from_secs(10)), "the next failure is a first one again");
}

#[tokio::test(start_paused = true)]
async fn a_failure_may_ask_for_a_longer_wait() {
    let mut started = start(&[Later(EVERY * 7), Later(Duration::ZERO)], Duration::ZERO, |job| job);
    started.next().await;
    let (waited, _) = started.next().await;
    assert!(waited >= EVERY * 7, "{waited:?}");
    assert!(is_about(started.next().await.0, EVERY * 2), "else it is the back-off's");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_recorded_and_the_job_continues() {
    let mut started = start(&[Panic, Well], Duration::ZERO, |job| job);
    started.next().await;
    tokio::task::yield_now().await;
    let result = started.report().last.expect("it ran").result;
    assert_eq!(result, Err("panicked: a fault of the program".to_owned()));
    assert!(is_about(started.next().await.0, EVERY));
    started.next().await;
    let report = started.report();
    assert_eq!((report.failures, report.last.expect("it ran").result), (0, Ok(())));
}

#[tokio::test]
async fn a_panic_on_another_thread_is_recorded_and_the_work_tried_again() {
    let (sender, mut runs) = unbounded_channel();
    let work = blocking(move |cause| {
        sender.send(cause).expect("the test listens");
        if cause == Cause::Due { panic!("{} lost", "something") } else { Ok(()) }
    });
    let stop = CancellationToken::new();
    let jobs = vec![Job::new("test", EVERY, "the test fails", work).on_reload()];
    let jobs = Jobs::start(jobs, None, &Clock::system(), &stop);
    assert_eq!(runs.recv().await, Some(Cause::Due));
    while jobs.report()[0].runs == 0 {
        tokio::task::yield_now().await;
    }
    let last = jobs.report().remove(0).last.expect("it ran");
    assert_eq!(last.result, Err("panicked: something lost".to_owned()));
    jobs.reload();
    assert_eq!(runs.recv().await, Some(Cause::Asked));
    stop.cancel();
    jobs.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn asking_runs_at_once_and_many_requests_during_a_run_lead_to_one_more() {
    let mut started = start(&[Badly], Duration::from_secs(5), |job| job.retry(EVERY, EVERY));
    started.next().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(started.report().failures, 1);
    started.jobs.reload();
    assert_eq!(started.next().await, (Duration::from_secs(10), Cause::Asked), "also while it backs off");
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..5 {
        started.jobs.reload();
    }
    let (waited, cause) = started.next().await;
    assert!(waited >= Duration::from_secs(5) && cause == Cause::Asked, "not while it runs: {waited:?}");
    let (waited, cause) = started.next().await;
    assert!(waited > EVERY.mul_f64(0.9) && cause == Cause::Due, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn jobs_that_do_not_follow_files_are_not_asked_to_reload() {
    let (sender, mut runs) = unbounded_channel();
    let work = Planned { endings: VecDeque::new(), takes: Duration::ZERO, runs: sender };
    let stop = CancellationToken::new();
    let jobs = Jobs::start(vec![Job::new("test", EVERY, "", work)], None, &Clock::system(), &stop);
    runs.recv().await.expect("it runs");
    jobs.reload();
    assert_eq!(runs.recv().await.expect("it runs").1, Cause::Due);
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn the_report_says_what_a_job_does_how_long_it_took_and_when_it_runs_next() {
    let before = Clock::system().now();
    let mut started = start(&[], Duration::from_secs(3), |job| job);
    started.next().await;
    assert!(matches!(started.report().now, Now::RunsSince(since) if since >= before));
    assert_eq!(started.report().last, None);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let report = started.report();
    let last = report.last.expect("it ran");
    assert_eq!((report.name, report.runs, last.result), ("test", 1, Ok(())));
    assert!(last.took >= Duration::from_secs(3) && last.took < Duration::from_secs(4), "{:?}", last.took);
    assert!(matches!(report.now, Now::WaitsUntil(next) if next >= before.checked_add(EVERY.mul_f64(0.9)).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_neither_for_the_time_nor_for_a_run() {
    for takes in [Duration::ZERO, Duration::from_hours(1)] {
        let mut started = start(&[], takes, |job| job);
        started.next().await;
        tokio::task::yield_now().await;
        let since = Instant::now();
        started.stop.cancel();
        started.jobs.stopped().await;
        assert!(since.elapsed() < Duration::from_secs(1));
        assert_eq!(started.report().now, Now::Stopped);
        assert!(started.runs.recv().await.is_none());
    }
}

/// Counts the lines of the log about jobs.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<tracing::Level>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target().starts_with("portcullis::jobs") {
            self.0.lock().expect("no panic").push(*event.metadata().level());
        }
    }
}

impl Lines {
    fn take(&self) -> Vec<tracing::Level> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_begins_to_fail_or_works_again_is_logged_once() {
    use tracing_subscriber::layer::SubscriberExt;
    let lines = Lines::default();
    // With a second dispatcher, a line of the program that a parallel test reaches first is not switched off for every thread.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let mut started =
        start(&[&[Badly; 30][..], &[Panic, Well]].concat(), Duration::ZERO, |job| job.retry(EVERY, EVERY));
    for _ in 0..20 {
        started.next().await;
    }
    assert_eq!(lines.take(), [tracing::Level::ERROR], "within an hour");
    started.jobs.reload();
    started.next().await;
    tokio::task::yield_now().await;
    assert_eq!(lines.take(), [tracing::Level::ERROR], "it was asked, so it answers");
    for _ in 0..10 {
        started.next().await;
    }
    tokio::task::yield_now().await;
    assert_eq!(lines.take(), [tracing::Level::ERROR], "another failure than before");
    for _ in 0..3 {
        started.next().await;
    }
    assert_eq!(lines.take(), [tracing::Level::INFO], "it works again");
}
