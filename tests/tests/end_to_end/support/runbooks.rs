//! Runbooks that touch every kind of step.

use super::desk::Desk;

const HEAD: &str = "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata:
  name: NAME
spec:
  name: A test of belay
  description: Acts on the world of a test.
  trigger: { manual: true }
  inputs:
    dir: { type: string, description: The folder of the world }
    port: { type: integer, description: The port of a server, default: 1 }
  rollbackOnFailure: true
  steps:
";

/// A runbook file with these steps.
pub fn runbook(name: &str, steps: &str) -> String {
    format!("{}{steps}", HEAD.replace("NAME", name))
}

/// Acts in every way; every object has a way back.
const ACTING: &str = r#"    - name: count
      commands:
        - belay-world --dir {dir} add counter 1
      rollback:
        commands:
          - belay-world --dir {dir} add counter -3
          - belay-world --dir {dir} add counter 2
    - name: switch
      commands:
        - belay-world --dir {dir} set left on
        - belay-world --dir {dir} set right on
      rollback:
        commands:
          - belay-world --dir {dir} set right off
          - belay-world --dir {dir} set left off
    - name: script
      action: script.execute
      parameters:
        variables: { port: "{{ .Vars.port }}" }
        script: |
          const first = await http.healthcheck({ url: "http://127.0.0.1:" + variables.port + "/first" });
          const second = await http.healthcheck({ url: "http://127.0.0.1:" + variables.port + "/second" });
          context.healthy = first.healthy && second.healthy;
    - name: restore
      survives: true
      commands:
        - belay-world --dir {dir} --slow 20 add restored 5
      rollback:
        commands:
          - belay-world --dir {dir} add restored -5
    - name: tell
      type: notification
      action: notification.send
      parameters:
        message: "the server has port {{ .Vars.port }}"
"#;

const GOOD_END: &str = r"    - name: finish
      commands:
        - belay-world --dir {dir} set finished yes
      rollback:
        commands:
          - belay-world --dir {dir} set finished no
";

const BAD_END: &str = r"    - name: finish
      commands:
        - belay-world --dir {dir} fail
      rollback:
        irreversible: it changes nothing
";

/// Waits for people and for the world.
const ASKING: &str = r"    - name: look
      type: verification
      commands:
        - belay-world --dir {dir} get counter
    - name: prepare
      commands:
        - belay-world --dir {dir} set left on
      rollback: take-back
    - name: ask
      type: manual
      commands:
        - kubectl get pods
      successCriteria: It is done
    - name: choose
      type: decision
      branches:
        'on': { next: count, description: Goes on }
        'off': { next: end, description: Stops }
    - name: count
      commands:
        - belay-world --dir {dir} add counter 1
      rollback:
        commands:
          - belay-world --dir {dir} add counter -1
      approval: { required: true, timeout: 10m }
      next: finish
    - name: take-back
      commands:
        - belay-world --dir {dir} set left off
      rollback:
        irreversible: it takes back itself
      next: end
";

/// One of the journeys through every kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// Commands, a script, a notification; completes.
    Acting,
    /// The same; its last step fails and everything is taken back.
    ActingBack,
    /// A verification, a manual step, a decision, an approval; completes.
    Asking,
    /// The same; everything is taken back.
    AskingBack,
}

impl Story {
    pub const ALL: [Self; 4] = [Self::Acting, Self::ActingBack, Self::Asking, Self::AskingBack];

    pub fn goes_back(self) -> bool {
        matches!(self, Self::ActingBack | Self::AskingBack)
    }

    pub fn text(self) -> String {
        let steps = match self {
            Self::Acting => format!("{ACTING}{GOOD_END}"),
            Self::ActingBack => format!("{ACTING}{BAD_END}"),
            Self::Asking => format!("{ASKING}{GOOD_END}"),
            Self::AskingBack => format!("{ASKING}{BAD_END}"),
        };
        runbook("every-kind", &steps)
    }

    /// What every object holds at the start.
    pub const BEFORE: [(&str, &str); 5] =
        [("counter", "0"), ("left", "off"), ("right", "off"), ("restored", "0"), ("finished", "no")];

    /// What every object holds at the end.
    pub fn after(self) -> [(&'static str, &'static str); 5] {
        match self {
            Self::Acting => [("counter", "1"), ("left", "on"), ("right", "on"), ("restored", "5"), ("finished", "yes")],
            Self::Asking => {
                [("counter", "1"), ("left", "on"), ("right", "off"), ("restored", "0"), ("finished", "yes")]
            }
            Self::ActingBack | Self::AskingBack => Self::BEFORE,
        }
    }
}

/// Writes what objects hold without a line in the log, as if they had always been so.
pub fn furnish(desk: &Desk) {
    for (key, value) in Story::BEFORE {
        std::fs::write(desk.world_folder.join(format!("{key}.object")), value).unwrap();
    }
}
