//! A policy that is changed while an execution waits.

use crate::support::desk::Desk;
use crate::support::runbooks::runbook;

#[test]
fn i4_a_policy_made_stricter_voids_what_was_approved_and_one_that_cannot_be_read_starts_nothing() {
    let desk = Desk::new();
    let steps = "    - name: count
      commands: ['belay-world --dir {dir} add counter 1']
      approval: { required: true, timeout: 10m }
      rollback: { irreversible: it counts }
";
    let file = desk.file("runbook.yaml", &runbook("watched", steps)).display().to_string();
    let dir = format!("dir={}", desk.world_folder.display());
    desk.belay(["run", &file, "--no-input", "--var", &dir]).exits(3);
    let approve = || {
        let status = desk.status("@last");
        let target = status["steps"][0]["approval"]["target"].as_str().unwrap().to_owned();
        desk.belay(["approve", "@last", "count", "--target", &target]).exits(0);
    };
    approve();

    let policy = desk.home.join("policy.yaml");
    let weak = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, "rules: 7\n").unwrap();
    desk.belay(["resume", "@last", "--no-input"]).exits(3);
    let status = desk.status("@last");
    let waiting = &status["waiting_on"][0];
    assert!(waiting["detail"].as_str().unwrap().contains("the policy cannot be used"), "{waiting:#}");
    assert_eq!(desk.world.lines().unwrap(), Vec::new(), "I4: nothing ran");

    std::fs::write(&policy, &weak).unwrap();
    desk.belay(["retry", "@last", "count"]).exits(0);
    desk.belay(["resume", "@last", "--no-input"]).exits(3);
    approve();
    let rule = "rules:\n  - {name: two-eyes, description: is looked at, when: [{effects: [mutate]}]}\n";
    std::fs::write(&policy, weak.replacen("rules:\n", rule, 1)).unwrap();
    desk.belay(["resume", "@last", "--no-input"]).exits(3);
    let status = desk.status("@last");
    let reasons = status["steps"][0]["approval"]["reasons"].to_string();
    assert!(reasons.contains("two-eyes"), "it is asked for again, with what is new: {reasons}");
    assert_eq!(desk.world.lines().unwrap(), Vec::new(), "I4: nothing ran");
    let log = desk.belay(["log", "@last"]).exits(0).stdout;
    let log = log.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(log.contains("policy rule `two-eyes`"), "the difference is shown: {log}");

    approve();
    desk.belay(["resume", "@last", "--no-input"]).exits(0);
    assert_eq!(desk.world.number("counter").unwrap(), 1);
    assert_eq!(desk.belay(["audit", "verify", "--json"]).exits(0).json()["ok"], true);
}
