//! Kills the program at every instant of a scenario, and looks at what becomes of it.

use super::laws;
use super::people::People;
use super::run::{Halt, Run, Setting};

/// Runs a scenario once, then once more for every instant at which it could be killed, and checks the laws and `check`
/// each time. The run without a crash is the first one to be checked.
pub fn crash_everywhere(setting: &Setting, people: impl Fn() -> People, check: impl Fn(&Run)) {
    let points = whole(setting, &people, &check);
    for point in 1..=points {
        let mut run = setting.start(people());
        killed_at(&mut run, point);
        finish(&mut run, &format!("killed at {point} of {points}"), &check);
    }
}

/// Kills twice: at every n-th instant, and again some instants after the start of the second program.
pub fn crash_twice(setting: &Setting, people: impl Fn() -> People, check: impl Fn(&Run)) {
    let points = whole(setting, &people, &check);
    for point in (1..=points).step_by(3) {
        for later in [1, 2, 3, 5, 8, 13] {
            let mut run = setting.start(people());
            killed_at(&mut run, point);
            run.kill_at = Some(run.points + later);
            if run.drive() == Halt::Killed {
                run.restart();
            }
            finish(&mut run, &format!("killed at {point} of {points} and {later} later"), &check);
        }
    }
}

fn whole(setting: &Setting, people: &impl Fn() -> People, check: &impl Fn(&Run)) -> usize {
    let mut run = setting.start(people());
    let point = run.points;
    assert_eq!(point, 0, "nothing happens before the first turn");
    finish(&mut run, "not killed", check);
    run.points
}

fn killed_at(run: &mut Run, point: usize) {
    run.kill_at = Some(point);
    let halt = run.drive();
    assert_eq!(halt, Halt::Killed, "every counted instant is reached again");
    run.restart();
}

fn finish(run: &mut Run, how: &str, check: &impl Fn(&Run)) {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run.drive();
        laws::hold(run);
        check(run);
    }));
    if let Err(panic) = caught {
        eprintln!("{how}; the log was {:#?}\nthe world's log was {:#?}", run.journal.kinds(), run.world.log);
        std::panic::resume_unwind(panic);
    }
}
