//! What a Kubernetes API server does, asked of the fake one, and of a real one where `BELAY_TEST_KUBECONFIG` names it.
//!
//! Every case runs in a namespace of its own. A case that needs what only the fake has (its controllers, its faults) is
//! listed for the real server too, and marked there as ignored.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]
#![allow(clippy::similar_names, reason = "a patch goes to a path")]

mod faults;
mod ground;
mod objects;
mod patches;
mod pods;
mod rollouts;
mod upkeep;
mod watches;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use ground::Ground;
use libtest_mimic::{Arguments, Failed, Trial};

/// What a case does.
type Body = fn(Ground) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// A case, and whether any server can be asked.
pub struct Case {
    name: &'static str,
    anywhere: bool,
    body: Body,
}

/// Lists cases by their functions: `anywhere` for every server, `fake` for the fake one alone.
#[macro_export]
macro_rules! cases {
    (anywhere: [$($any:ident),* $(,)?], fake: [$($fake:ident),* $(,)?] $(,)?) => {
        pub fn cases() -> Vec<$crate::Case> {
            vec![
                $($crate::Case::new(stringify!($any), true, |ground| Box::pin($any(ground))),)*
                $($crate::Case::new(stringify!($fake), false, |ground| Box::pin($fake(ground))),)*
            ]
        }
    };
}

impl Case {
    fn new(name: &'static str, anywhere: bool, body: Body) -> Self {
        Self { name, anywhere, body }
    }
}

fn play(body: Body, real: Option<String>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ground = match real {
            Some(kubeconfig) => Ground::real(&kubeconfig).await,
            None => Ground::fake().await,
        };
        let outcome = tokio::spawn(body(ground.clone())).await;
        ground.leave().await;
        outcome.map_err(|error| match error.try_into_panic() {
            Ok(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default().into()
            }
            Err(error) => Failed::from(error.to_string()),
        })
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let real = std::env::var("BELAY_TEST_KUBECONFIG").ok().filter(|path| !path.is_empty());
    let groups = [
        ("objects", objects::cases()),
        ("patches", patches::cases()),
        ("watches", watches::cases()),
        ("pods", pods::cases()),
        ("rollouts", rollouts::cases()),
        ("upkeep", upkeep::cases()),
        ("faults", faults::cases()),
    ];
    let mut trials = Vec::new();
    for (group, cases) in groups {
        for case in cases {
            trials.push(Trial::test(format!("fake::{group}::{}", case.name), move || play(case.body, None)));
            if let Some(kubeconfig) = real.clone() {
                let trial =
                    Trial::test(format!("real::{group}::{}", case.name), move || play(case.body, Some(kubeconfig)));
                trials.push(trial.with_ignored_flag(!case.anywhere));
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
