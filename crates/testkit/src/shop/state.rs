//! The shop itself: its knobs, its cache, its leak, and what its customers experienced.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cache::PriceCache;
use super::log::WorldLog;
use super::window::{Visit, Window};

/// Products on sale.
pub(super) const PRODUCTS: u32 = 120;
/// What the cache holds: all products, and no more.
const CACHE_CAPACITY: usize = PRODUCTS as usize;
/// What looking a price up in the slow price list takes.
const PRICE_LIST: Duration = Duration::from_millis(180);
/// What everything else of a checkout takes.
const CHECKOUT: Duration = Duration::from_millis(4);
/// The shop counts as ill while its customers' 95th percentile is above this.
const ILL_ABOVE_MS: u64 = 150;
/// Figures from fewer customers than this say nothing, and a shop that nothing is known about is not healthy.
const ENOUGH_VISITS: usize = 20;
/// What a leak takes with every checkout.
const LEAK_STEP: usize = 256 * 1024;
/// Where the leak ends: the shop refuses checkouts instead of taking the machine down.
const MEMORY_LIMIT: usize = 96 * 1024 * 1024;

/// Why the shop could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// A file could not be read or written.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what the shop wrote.
    #[error("{} does not hold what the shop wrote", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// What survives a restart of the process, kept beside the world's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    version: String,
    latency_knob_ms: u64,
    leaking: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { version: "1.4.2".to_owned(), latency_knob_ms: 0, leaking: false }
    }
}

/// The figures of `/stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Share of the last checkouts that the cache answered.
    pub hit_rate: f64,
    /// 95th percentile of the last checkouts, in milliseconds.
    pub p95_ms: u64,
    /// Memory that the leak holds, in MiB.
    pub memory_mb: u64,
    /// Prices in the cache.
    pub cache_entries: usize,
    /// Delay that the knob adds to each checkout.
    pub latency_knob_ms: u64,
    /// The release that runs.
    pub version: String,
    /// Share of the last checkouts that failed.
    pub error_rate: f64,
    /// Checkouts that the figures rest on.
    pub visits: usize,
    /// Whether `/healthz` answers 200.
    pub healthy: bool,
}

/// A shop. Share it behind an `Arc`.
#[derive(Debug)]
pub struct Shop {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    cache: PriceCache,
    window: Window,
    leaked: Vec<Vec<u8>>,
    checkouts: u64,
    log: WorldLog,
}

/// What a checkout found out before it waits.
pub(super) struct Plan {
    key: String,
    price: Option<u64>,
    wait: Duration,
    refused: bool,
    started: Instant,
}

impl Plan {
    /// How long the checkout takes.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }
}

impl Shop {
    /// Opens the shop of a folder: its settings where it kept some, and its log. The cache starts empty.
    pub fn open(folder: &Path) -> Result<Self, ShopError> {
        let problem = |source| ShopError::File { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(problem)?;
        let path = folder.join("settings.json");
        let settings = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| ShopError::Damaged { path, source })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Settings::default(),
            Err(source) => return Err(ShopError::File { path, source }),
        };
        let inner = Inner {
            settings,
            cache: PriceCache::new(CACHE_CAPACITY),
            window: Window::default(),
            leaked: Vec::new(),
            checkouts: 0,
            log: WorldLog::open(folder)?,
        };
        Ok(Self { folder: folder.to_owned(), inner: Mutex::new(inner) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock, and a poisoned shop is still a consistent one.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Starts a checkout of one product for one customer.
    pub(super) fn begin(&self, product: u32) -> Plan {
        let mut inner = self.lock();
        inner.checkouts += 1;
        let key = inner.settings.cache_key(product, inner.checkouts);
        let price = inner.cache.get(&key);
        if inner.settings.leaking && inner.leaked_bytes() + LEAK_STEP <= MEMORY_LIMIT {
            // Written to, so that the memory is really taken.
            inner.leaked.push(vec![0xB1; LEAK_STEP]);
        }
        let knob = Duration::from_millis(inner.settings.latency_knob_ms);
        // A heap that grows costs more to clean up: a millisecond for every MiB.
        let collecting = Duration::from_millis(inner.memory_mb());
        let looking_up = if price.is_some() { Duration::ZERO } else { PRICE_LIST };
        let refused = inner.leaked_bytes() + LEAK_STEP > MEMORY_LIMIT;
        Plan { key, price, wait: CHECKOUT + knob + collecting + looking_up, refused, started: Instant::now() }
    }

    /// Ends a checkout that has waited; the price in cents, or none where the shop is out of memory.
    pub(super) fn finish(&self, plan: &Plan, product: u32) -> Option<u64> {
        let mut inner = self.lock();
        let price = plan.price.unwrap_or_else(|| price_of(product));
        if plan.price.is_none() {
            inner.cache.put(&plan.key, price);
        }
        inner.window.add(Visit { took: plan.started.elapsed(), hit: plan.price.is_some(), failed: plan.refused });
        (!plan.refused).then_some(price)
    }

    /// The figures of now.
    pub fn stats(&self) -> Stats {
        let inner = self.lock();
        let p95_ms = inner.window.p95_ms();
        let error_rate = inner.window.error_rate();
        let visits = inner.window.len();
        Stats {
            hit_rate: inner.window.hit_rate(),
            p95_ms,
            memory_mb: inner.memory_mb(),
            cache_entries: inner.cache.len(),
            latency_knob_ms: inner.settings.latency_knob_ms,
            version: inner.settings.version.clone(),
            error_rate,
            visits,
            healthy: visits >= ENOUGH_VISITS && p95_ms <= ILL_ABOVE_MS && error_rate < 0.05,
        }
    }

    /// Empties the cache.
    pub(super) fn flush(&self, request: Option<String>) -> Result<(String, usize), ShopError> {
        let mut inner = self.lock();
        let request = inner.log.append(request, "cache.flush", None)?;
        Ok((request, inner.cache.flush()))
    }

    /// Fills the cache with the price of every product.
    pub(super) fn warm(&self, request: Option<String>) -> Result<(String, usize), ShopError> {
        let mut inner = self.lock();
        let request = inner.log.append(request, "cache.warm", None)?;
        for product in 0..PRODUCTS {
            inner.cache.put(&product_key(product), price_of(product));
        }
        Ok((request, inner.cache.len()))
    }

    /// Sets the delay of every checkout, and says what it was.
    pub(super) fn set_latency(&self, request: Option<String>, milliseconds: u64) -> Result<(String, u64), ShopError> {
        let mut inner = self.lock();
        let request = inner.log.append(request, "latency", Some(milliseconds.to_string()))?;
        let before = std::mem::replace(&mut inner.settings.latency_knob_ms, milliseconds);
        self.keep(&inner.settings)?;
        Ok((request, before))
    }

    /// Starts or stops the leak. What has leaked stays until a restart.
    pub(super) fn set_leak(&self, request: Option<String>, leaking: bool) -> Result<String, ShopError> {
        let mut inner = self.lock();
        let request = inner.log.append(request, if leaking { "leak.start" } else { "leak.stop" }, None)?;
        inner.settings.leaking = leaking;
        self.keep(&inner.settings)?;
        Ok(request)
    }

    /// Restarts the shop's inside: memory is given back, the cache is cold, the figures start anew. Settings stay.
    pub(super) fn restart(&self, request: Option<String>) -> Result<String, ShopError> {
        let mut inner = self.lock();
        let request = inner.log.append(request, "restart", None)?;
        inner.start_anew();
        Ok(request)
    }

    /// Brings another release out, which restarts the shop; says which one ran before.
    pub(super) fn set_version(&self, request: Option<String>, version: &str) -> Result<(String, String), ShopError> {
        let mut inner = self.lock();
        let request = inner.log.append(request, "version", Some(version.to_owned()))?;
        let before = std::mem::replace(&mut inner.settings.version, version.to_owned());
        inner.start_anew();
        self.keep(&inner.settings)?;
        Ok((request, before))
    }

    fn keep(&self, settings: &Settings) -> Result<(), ShopError> {
        let path = self.folder.join("settings.json");
        let new = self.folder.join("settings.json.new");
        let bytes = serde_json::to_vec_pretty(settings).expect("settings hold only text, numbers and truth values");
        std::fs::write(&new, bytes)
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(|source| ShopError::File { path, source })
    }
}

impl Inner {
    fn leaked_bytes(&self) -> usize {
        self.leaked.len() * LEAK_STEP
    }

    fn memory_mb(&self) -> u64 {
        u64::try_from(self.leaked_bytes() / (1024 * 1024)).expect("the leak is bounded")
    }

    fn start_anew(&mut self) {
        self.cache.flush();
        self.window.clear();
        self.leaked = Vec::new();
    }
}

impl Settings {
    /// The key under which a price is kept. Releases 2.x have a real fault: they put the customer into the key, so the
    /// next customer never finds the price.
    fn cache_key(&self, product: u32, customer: u64) -> String {
        if self.version.starts_with("2.") {
            format!("customer/{customer}/product/{product}")
        } else {
            product_key(product)
        }
    }
}

fn product_key(product: u32) -> String {
    format!("product/{product}")
}

/// The price in cents, as the slow list has it.
fn price_of(product: u32) -> u64 {
    499 + u64::from(product % PRODUCTS) * 130
}
