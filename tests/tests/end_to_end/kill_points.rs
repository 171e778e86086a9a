//! SIGKILL at every named place, at every passing of it.

use super::support::desk::Desk;
use super::support::journey::Journey;
use super::support::runbooks::Story;
use super::support::server::Server;

/// Where Belay itself is killed.
const OWN: [&str; 8] = [
    "commit-before",
    "commit-after",
    "spawn-before",
    "spawn-after",
    "reap-before",
    "reap-after",
    "acknowledge-before",
    "acknowledge-after",
];

/// How many processes of one journey are killed: the second one dies while it recovers from the first.
const DEATHS: usize = 2;

/// The passing after the n-th that is tried. A soak tries every one, a quick run every fourth of the later ones.
fn next(n: usize) -> usize {
    if n < 5 || std::env::var_os("BELAY_SOAK_KILLS").is_some() { n + 1 } else { n + 4 }
}

/// The first processes of a journey die at its n-th passing of a point, for every n that some process reaches.
fn kill_at(point: &str, story: Story) {
    let server = Server::start();
    let own = OWN.contains(&point);
    let mut n = 1;
    while n < 1000 {
        let desk = Desk::new();
        let mut journey = Journey::new(&desk, &server, story);
        // Belay outlives its helper, so that the deaths of helpers are counted by the processes that had one.
        let mut helped = 0;
        journey.travel(|desk, arguments, killed| {
            let mut command = desk.command(arguments);
            let dead = if own { killed } else { helped };
            helped += 1;
            if dead < DEATHS {
                command.env("BELAY_CRASH_AT", format!("{point}:{n}"));
            }
            Desk::finish(command)
        });
        let journal = journey.check();
        // The death of a helper shows as an act whose outcome was lost.
        let lost = journal.all("transition.act_interrupted").count();
        if journey.killed == 0 && (own || lost == 0) {
            assert!(n > 1, "`{point}` is passed at least once");
            return;
        }
        n = next(n);
    }
    panic!("the passings of `{point}` have no end");
}

macro_rules! kills {
    ($($name:ident: $point:literal, $story:ident;)*) => {
        $(
            #[test]
            fn $name() {
                kill_at($point, Story::$story);
            }
        )*
    };
}

kills! {
    i2_i3_i5_i7_hold_when_killed_before_a_commit: "commit-before", Acting;
    i2_i3_i5_i7_hold_when_killed_after_a_commit: "commit-after", Acting;
    i2_i3_i5_i7_hold_when_killed_before_a_commit_of_what_people_say: "commit-before", Asking;
    i2_i3_i5_i7_hold_when_killed_after_a_commit_of_what_people_say: "commit-after", Asking;
    i3_i5_i7_hold_when_killed_before_a_command_is_sent: "spawn-before", Acting;
    i3_i5_i7_hold_when_killed_after_a_command_is_sent: "spawn-after", Acting;
    i5_i7_hold_when_killed_before_an_outcome_is_taken: "reap-before", Acting;
    i5_i7_hold_when_killed_after_an_outcome_is_taken: "reap-after", Acting;
    i5_i7_hold_when_killed_before_a_record_is_removed: "acknowledge-before", Acting;
    i5_i7_hold_when_killed_after_a_record_is_removed: "acknowledge-after", Acting;
    i5_i7_hold_when_the_helper_is_killed_before_it_starts_a_command: "helper-spawn-before", Acting;
    i5_i7_hold_when_the_helper_is_killed_after_it_started_a_command: "helper-spawn-after", Acting;
    i5_i7_hold_when_the_helper_is_killed_before_it_takes_the_end: "helper-reap-before", Acting;
    i5_i7_hold_when_the_helper_is_killed_after_it_took_the_end: "helper-reap-after", Acting;

    i8_holds_when_killed_before_a_commit: "commit-before", ActingBack;
    i8_holds_when_killed_after_a_commit: "commit-after", ActingBack;
    i8_holds_when_killed_before_a_commit_of_what_people_say: "commit-before", AskingBack;
    i8_holds_when_killed_after_a_commit_of_what_people_say: "commit-after", AskingBack;
    i8_holds_when_killed_before_a_command_is_sent: "spawn-before", ActingBack;
    i8_holds_when_killed_after_a_command_is_sent: "spawn-after", ActingBack;
    i8_holds_when_killed_before_an_outcome_is_taken: "reap-before", ActingBack;
    i8_holds_when_killed_after_an_outcome_is_taken: "reap-after", ActingBack;
    i8_holds_when_killed_before_a_record_is_removed: "acknowledge-before", ActingBack;
    i8_holds_when_killed_after_a_record_is_removed: "acknowledge-after", ActingBack;
    i8_holds_when_the_helper_is_killed_before_it_starts_a_command: "helper-spawn-before", ActingBack;
    i8_holds_when_the_helper_is_killed_after_it_started_a_command: "helper-spawn-after", ActingBack;
    i8_holds_when_the_helper_is_killed_before_it_takes_the_end: "helper-reap-before", ActingBack;
    i8_holds_when_the_helper_is_killed_after_it_took_the_end: "helper-reap-after", ActingBack;
}

#[test]
fn without_a_kill_every_story_comes_to_its_end() {
    let server = Server::start();
    for story in Story::ALL {
        let desk = Desk::new();
        let mut journey = Journey::new(&desk, &server, story);
        journey.travel(|desk, arguments, _| desk.belay(arguments));
        journey.check();
        assert_eq!(journey.killed, 0);
    }
}
