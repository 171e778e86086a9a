//! The demo shop, over its pages, on free ports of loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use belay_testkit::shop::{Shop, Stats, WorldLog, ctl, serve};
use tempfile::TempDir;

/// A shop in a thread of its own, ended when it goes out of scope.
struct Running {
    url: String,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let shop = Arc::new(Shop::open(folder).unwrap());
        let (end, ended_by_us) = tokio::sync::oneshot::channel::<()>();
        let (address, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                address.send(listener.local_addr().unwrap()).unwrap();
                let ended = async {
                    ended_by_us.await.ok();
                };
                serve(listener, shop, ended).await.unwrap();
            });
        });
        Self { url: format!("http://{}", told.recv().unwrap()), end: Some(end), thread: Some(thread) }
    }

    fn get(&self, path: &str) -> ctl::Answer {
        ctl::call(&self.url, "GET", path, None).unwrap()
    }

    fn post(&self, path: &str, request: &str) -> ctl::Answer {
        let answer = ctl::call(&self.url, "POST", path, Some(request)).unwrap();
        assert!(answer.ok(), "{path} is an admin call: {answer:?}");
        answer
    }

    fn stats(&self) -> Stats {
        serde_json::from_str(&self.get("/stats").body).unwrap()
    }

    /// Waits until the figures are as wanted; they follow from customers who really wait.
    fn until(&self, what: &str, holds: impl Fn(&Stats) -> bool) -> Stats {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let stats = self.stats();
            if holds(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "{what}: {stats:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[test]
fn a_release_that_spoils_the_cache_key_makes_the_shop_ill_until_it_is_taken_back() {
    let folder = TempDir::new().unwrap();
    let shop = Running::start(folder.path());
    shop.post("/admin/cache/warm", "r1");
    shop.until("a warm shop is healthy", |stats| stats.healthy && stats.hit_rate > 0.9);

    shop.post("/admin/version?v=2.0.0", "r2");
    let ill = shop.until("every checkout misses", |stats| stats.visits >= 40 && stats.hit_rate < 0.1);
    assert!(!ill.healthy && ill.p95_ms >= 150, "customers wait for the price list: {ill:?}");
    assert_eq!(shop.get("/healthz").status, 503, "an ill shop says so");

    shop.post("/admin/cache/warm", "r3");
    let still = shop.until("enough customers came after the warming", |stats| stats.visits >= 40);
    assert!(!still.healthy, "warming does not help a release that never finds what is there: {still:?}");

    shop.post("/admin/version?v=1.4.2", "r4");
    shop.post("/admin/cache/warm", "r5");
    shop.until("the former release is healthy again", |stats| stats.healthy);
    assert_eq!(shop.get("/healthz").status, 200, "a healthy shop says so");

    let calls: Vec<(String, String)> =
        WorldLog::read(folder.path()).unwrap().into_iter().map(|entry| (entry.request, entry.call)).collect();
    let expected =
        [("r1", "cache.warm"), ("r2", "version"), ("r3", "cache.warm"), ("r4", "version"), ("r5", "cache.warm")]
            .map(|(request, call)| (request.to_owned(), call.to_owned()));
    assert_eq!(calls, expected, "the world's log holds every admin call once, in order, and no checkout");
}

#[test]
fn the_knob_delays_every_checkout_and_is_kept_over_a_restart_of_the_process() {
    let folder = TempDir::new().unwrap();
    {
        let shop = Running::start(folder.path());
        shop.post("/admin/latency?ms=40", "r1");
        let started = Instant::now();
        assert!(shop.get("/checkout?product=3").ok(), "a slow checkout succeeds");
        assert!(started.elapsed() >= Duration::from_millis(40), "the delay is really waited");
    }
    let shop = Running::start(folder.path());
    assert_eq!(shop.stats().latency_knob_ms, 40, "settings survive the process");
    shop.post("/admin/latency?ms=0", "r2");
    let log = WorldLog::read(folder.path()).unwrap();
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2], "the log goes on where it ended");
    assert_eq!(log[0].argument.as_deref(), Some("40"), "the log says with which argument");
}

#[test]
fn a_leak_holds_memory_until_a_restart() {
    let folder = TempDir::new().unwrap();
    let shop = Running::start(folder.path());
    shop.post("/admin/leak/start", "r1");
    shop.until("every checkout leaks a little", |stats| stats.memory_mb >= 3);
    shop.post("/admin/leak/stop", "r2");
    assert!(shop.stats().memory_mb >= 3, "stopping a leak gives nothing back");
    shop.post("/admin/restart", "r3");
    assert_eq!(shop.stats().memory_mb, 0, "a restart does");
}

#[test]
fn a_flushed_cache_is_cold() {
    let folder = TempDir::new().unwrap();
    let shop = Running::start(folder.path());
    shop.post("/admin/latency?ms=500", "r1");
    shop.post("/admin/cache/warm", "r2");
    let before = shop.stats().cache_entries;
    let answer = shop.post("/admin/cache/flush", "r3");
    assert_eq!(before, 120, "a warm cache holds every price");
    assert!(answer.body.contains("\"dropped\":120"), "the answer says what was dropped: {}", answer.body);
}

#[test]
fn a_header_in_a_request_id_stays_one_line() {
    let folder = TempDir::new().unwrap();
    let shop = Running::start(folder.path());
    shop.post("/admin/cache/flush", "r1\r\nx-request-id: r2");
    let log = WorldLog::read(folder.path()).unwrap();
    assert_eq!(log.len(), 1, "one call is one entry");
    assert!(log[0].request.starts_with("r1"), "what follows the line break is part of the same id: {log:?}");
}
