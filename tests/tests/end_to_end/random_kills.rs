//! SIGKILL at any time, of Belay and now and then of its helper.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::desk::{Desk, children_of};
use super::support::journey::Journey;
use super::support::runbooks::Story;
use super::support::server::Server;

/// How many processes are killed where nobody asks for more.
const KILLS: usize = 30;
/// How many processes of one journey are killed at most.
const PER_JOURNEY: usize = 6;
/// The longest life of a process that is to die, in microseconds; about as long as a whole run.
const LONGEST_LIFE: u64 = 350_000;

/// `SplitMix64`: a sequence that a printed seed repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{variable}: {error}")))
}

#[test]
fn i2_i3_i5_i7_i8_hold_under_random_kills() {
    let wanted = number("BELAY_SOAK_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let seed = number("BELAY_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("BELAY_SOAK_SEED={seed}");
    let mut dice = Dice(seed);
    let server = Server::start();
    let mut kills = 0;
    let mut journeys = 0;
    while kills < wanted {
        let story = if dice.roll(2) == 0 { Story::Acting } else { Story::ActingBack };
        let desk = Desk::new();
        let mut journey = Journey::new(&desk, &server, story);
        let mut attacks = 0;
        journey.travel(|desk, arguments, _| {
            let running = desk.start(arguments);
            if attacks == PER_JOURNEY {
                return running.wait();
            }
            attacks += 1;
            // The moment is what is random here; nothing waits for anything to be true.
            std::thread::sleep(Duration::from_micros(dice.roll(LONGEST_LIFE)));
            if dice.roll(4) > 0 {
                return running.kill();
            }
            for helper in children_of(running.pid(), "__helper") {
                // It may have ended by itself.
                kill(Pid::from_raw(helper), Signal::SIGKILL).unwrap_or_default();
                kills += 1;
            }
            running.wait()
        });
        journey.check();
        kills += journey.killed;
        journeys += 1;
    }
    eprintln!("{kills} kills in {journeys} runs");
}
