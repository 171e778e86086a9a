//! The real window, driven as a person would: under a display without a screen, through the web view's own driver.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod notifications;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use x11rb::protocol::xproto::{ConnectionExt as _, InputFocus};

use crate::notifications::{Notifications, bus};

const RUNBOOK: &str = "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: { name: look-closely }
spec:
  id: RB-T-1
  name: Look closely
  description: Somebody looks <b>closely</b>.
  trigger: { alert: LookClosely }
  steps:
    - { name: look, title: Look at the gauge, type: manual, description: Look at it. }
";

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        if self.0.kill().is_ok() {
            self.0.wait().unwrap();
        }
    }
}

/// A display without a screen; gives its name.
fn display() -> (Ended, String) {
    let mut display = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb is installed (`scripts/setup.sh test` does it)");
    let mut number = String::new();
    BufReader::new(display.stdout.take().unwrap()).read_line(&mut number).unwrap();
    (Ended(display), format!(":{}", number.trim()))
}

/// The driver of the web view, with the environment that the window gets.
fn driver(display: &str, home: &Path) -> (Ended, String) {
    driver_on(display, home, "")
}

/// The same with a session bus.
fn driver_on(display: &str, home: &Path, bus: &str) -> (Ended, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let driver = Command::new("WebKitWebDriver")
        .arg(format!("--port={port}"))
        .env("DISPLAY", display)
        .env_remove("WAYLAND_DISPLAY")
        .env("BELAY_HOME", home)
        .env("DBUS_SESSION_BUS_ADDRESS", bus)
        .env("TAURI_WEBVIEW_AUTOMATION", "true")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("WebKitWebDriver is installed (`scripts/setup.sh test` does it)");
    (Ended(driver), format!("http://127.0.0.1:{port}"))
}

/// Opens the window, once the driver listens.
async fn open(driver: &str) -> Client {
    let options = json!({ "binary": env!("CARGO_BIN_EXE_belay-desktop"), "args": [] });
    let capabilities = Capabilities::from_iter([("webkitgtk:browserOptions".to_owned(), options)]);
    let begun = Instant::now();
    loop {
        let opened = ClientBuilder::new(HttpConnector::new()).capabilities(capabilities.clone()).connect(driver).await;
        match opened {
            Ok(window) => return window,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "the window does not open: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn seen(window: &Client, what: Locator<'_>) -> Element {
    window.wait().at_most(PATIENCE).for_element(what).await.unwrap_or_else(|error| panic!("{what:?}: {error}"))
}

/// Calls the application as its user interface does; gives the answer, or `{ error }`.
async fn called(window: &Client, call: &str, args: Value) -> Value {
    let script = "const [call, done] = arguments; \
         window.__TAURI_INTERNALS__.invoke('call', { call }).then(done, (e) => done({ error: e }));";
    window.execute_async(script, vec![json!({ "call": call, "args": args })]).await.unwrap()
}

/// The catalog's search, once the application has taken it over from the first picture.
const SEARCH: Locator<'static> = Locator::Css("#app:not([aria-busy]) input[aria-label^='Search runbooks']");

/// A button or a link by what stands on it.
fn labelled(text: &str) -> String {
    format!("//*[self::button or self::a][contains(normalize-space(.), '{text}')]")
}

#[tokio::test]
async fn a_runbook_is_found_run_to_its_end_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir_all(home.join("own")).unwrap();
    std::fs::write(home.join("own/look-closely.yaml"), RUNBOOK).unwrap();
    let (_display, display) = display();
    let (_driver, driver) = driver(&display, &home);

    let window = open(&driver).await;
    let added = called(&window, "catalog_add", json!({ "path": home.join("own") })).await;
    assert_eq!(added["runbooks"], 1, "{added}");

    let search = seen(&window, SEARCH).await;
    search.send_keys("look closely").await.unwrap();
    let hit = seen(&window, Locator::XPath("//a[contains(@href, 'look-closely')]")).await;
    hit.click().await.unwrap();
    seen(&window, Locator::XPath("//h1[contains(., 'Look closely')]")).await;
    assert!(
        window.find(Locator::XPath("//h1/following::b[. = 'closely']")).await.is_err(),
        "markup of a runbook stays text"
    );
    seen(&window, Locator::XPath(&labelled("Start"))).await.click().await.unwrap();
    seen(&window, Locator::XPath("//*[contains(text(), 'What would happen')]")).await;
    let start = seen(&window, Locator::XPath("//button[contains(normalize-space(.), 'Start')]")).await;
    start.click().await.unwrap();
    seen(&window, Locator::XPath("//*[contains(text(), 'Look at the gauge')]")).await;
    seen(&window, Locator::XPath(&labelled("Done"))).await.click().await.unwrap();
    seen(&window, Locator::XPath("//*[contains(text(), 'Completed')]")).await;
    let place = window.current_url().await.unwrap();
    assert_eq!(place.scheme(), "tauri", "the window never left its own pages");
    window.close().await.unwrap();

    let window = open(&driver).await;
    seen(&window, Locator::XPath(&labelled("Executions"))).await.click().await.unwrap();
    seen(&window, Locator::XPath("//*[contains(text(), 'Look closely')]")).await;
    seen(&window, Locator::XPath("//*[contains(text(), 'Completed')]")).await;
    window.close().await.unwrap();
}

/// How often the threads of the web view's process below `ancestor` have waited so far; `None` before there is one.
fn waits(ancestor: u32) -> Option<u64> {
    let field = |path: &Path, name: &str| {
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    let below = |process: &Path| {
        let mut parent = field(process, "PPid:")?;
        while parent != ancestor.to_string() {
            parent = field(&Path::new("/proc").join(&parent), "PPid:")?;
        }
        Some(())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|process| process.path());
    // The kernel keeps the first fifteen letters of a process's name.
    let view = processes
        .filter(|process| field(process, "Name:").as_deref() == Some(&"WebKitWebProcess"[..15]))
        .find(|process| below(process).is_some())?;
    let threads = std::fs::read_dir(view.join("task")).ok()?.flatten();
    Some(threads.filter_map(|thread| field(&thread.path(), "voluntary_ctxt_switches:")?.parse::<u64>().ok()).sum())
}

#[tokio::test]
async fn a_window_that_is_left_alone_comes_to_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (_display, display) = display();
    let (driver, address) = driver(&display, &folder.path().join("home"));
    let window = open(&address).await;
    let search = seen(&window, SEARCH).await;
    let focused = window.active_element().await.unwrap();
    assert_eq!(focused.element_id(), search.element_id(), "the caret stands in the search");

    // A view that is drawn, or asks in every frame whether it has to be, wakes sixty times a second or more, for ever.
    let begun = Instant::now();
    loop {
        let before = waits(driver.0.id()).expect("the window has a web view");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let woken = waits(driver.0.id()).expect("the window has a web view") - before;
        if woken < 40 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the web view wakes {woken} times a second");
    }
    window.close().await.unwrap();
}

#[tokio::test]
async fn whoever_looks_elsewhere_is_notified_and_led_to_the_execution() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir_all(home.join("own")).unwrap();
    let hostile = RUNBOOK.replace("Look at the gauge", "Look <img src=x> & <b>see</b>");
    std::fs::write(home.join("own/look-closely.yaml"), hostile).unwrap();
    let (_bus, address) = bus();
    let mut notifications = Notifications::serve(&address).await;
    let (_display, display) = display();
    let (_driver, driver) = driver_on(&display, &home, &address);
    let window = open(&driver).await;
    seen(&window, SEARCH).await;
    called(&window, "catalog_add", json!({ "path": home.join("own") })).await;

    // The person looks elsewhere: no window of this display has the keyboard.
    let (elsewhere, _) = x11rb::connect(Some(&display)).unwrap();
    elsewhere.set_input_focus(InputFocus::NONE, x11rb::NONE, x11rb::CURRENT_TIME).unwrap().check().unwrap();
    called(&window, "start", json!({ "runbook": "look-closely", "variables": {} })).await;
    let (title, body) = tokio::time::timeout(PATIENCE, notifications.next()).await.expect("it is notified");
    assert_eq!(title, "Look closely");
    assert!(body.contains("Look &lt;img src=x&gt; &amp; &lt;b&gt;see&lt;/b&gt;"), "{body}");

    // Whoever shows a notification learns of clicks from a moment later on.
    let begun = Instant::now();
    let title = Locator::XPath("//h1[contains(., 'Look closely')]");
    loop {
        notifications.click().await;
        if window.wait().at_most(Duration::from_secs(1)).for_element(title).await.is_ok() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "a click leads nowhere");
    }
    seen(&window, Locator::XPath(&labelled("Done"))).await;
    window.close().await.unwrap();
}

#[tokio::test]
async fn the_window_reaches_nothing_but_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let (_display, display) = display();
    let (_driver, driver) = driver(&display, &folder.path().join("home"));
    let window = open(&driver).await;
    seen(&window, SEARCH).await;
    for command in ["plugin:opener|open_url", "plugin:notification|notify", "plugin:window|close", "plugin:fs|read"] {
        let answer = window
            .execute_async(
                "const [command, done] = arguments; \
                 window.__TAURI_INTERNALS__.invoke(command, {}).then(() => done('done'), (e) => done(String(e)));",
                vec![json!(command)],
            )
            .await
            .unwrap();
        let answer = answer.as_str().unwrap_or_default();
        assert!(answer.contains("not allowed") || answer.contains("not found"), "{command}: {answer}");
    }
    window.execute("location.href = 'https://example.invalid/'", Vec::new()).await.unwrap();
    // Answered by the application after the window was told to leave: its page is still there.
    let about = window
        .execute_async(
            "const [done] = arguments; window.__TAURI_INTERNALS__.invoke('call', { call: { call: 'about', args: {} } })\
             .then(done, (e) => done({ error: e }));",
            Vec::new(),
        )
        .await
        .unwrap();
    assert!(about["version"].is_string(), "the application still answers: {about}");
    let place = window.current_url().await.unwrap();
    assert_eq!((place.scheme(), place.host_str()), ("tauri", Some("localhost")), "the window stays at home");
    let eval = window.execute("try { return String(eval('1 + 1')) } catch (e) { return e.name }", Vec::new()).await;
    assert_eq!(eval.unwrap(), json!("EvalError"), "the policy forbids making code of text");
    window.close().await.unwrap();
}

#[test]
fn without_a_display_it_says_so_and_what_opens_everywhere() {
    for display in [None, Some(":9999")] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_belay-desktop"));
        program.env_remove("WAYLAND_DISPLAY").env_remove("DISPLAY");
        program.envs(display.map(|display| ("DISPLAY", display)));
        let ended = program.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(5), "{display:?}: {said}");
        assert!(said.contains("there is no display to open a window on") && said.contains("belay"), "{said}");
        assert!(!said.contains("panicked"), "{display:?}: {said}");
    }
}
