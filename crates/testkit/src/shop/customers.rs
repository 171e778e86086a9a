//! The shop's own customers: a bounded, steady load, so that the figures are about something.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::state::{PRODUCTS, Shop};

/// A customer comes every 25 ms.
const PACE: Duration = Duration::from_millis(25);
/// Customers inside at the same time; whoever comes while the shop is full goes away.
const INSIDE: usize = 64;

/// Sends customers until the future is dropped.
pub(super) async fn come(shop: Arc<Shop>) {
    let room = Arc::new(Semaphore::new(INSIDE));
    let mut inside = JoinSet::new();
    let mut door = interval(PACE);
    door.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut number: u32 = 0;
    loop {
        door.tick().await;
        while inside.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        number = number.wrapping_add(1);
        let shop = Arc::clone(&shop);
        inside.spawn(async move {
            checkout(&shop, wanted(number)).await;
            drop(place);
        });
    }
}

/// What a customer wants: half of them one of eight favourites, the others anything. Spread by a multiplicative hash, so
/// that every run sees the same customers.
fn wanted(number: u32) -> u32 {
    let spread = number.wrapping_mul(2_654_435_761) >> 7;
    if number.is_multiple_of(2) { spread % 8 } else { spread % PRODUCTS }
}

/// One checkout; the price in cents, or none where it failed.
pub(super) async fn checkout(shop: &Shop, product: u32) -> Option<u64> {
    let plan = shop.begin(product);
    tokio::time::sleep(plan.wait()).await;
    shop.finish(&plan, product)
}
