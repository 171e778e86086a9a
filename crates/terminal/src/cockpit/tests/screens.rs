//! Screens at the two sizes that have to do.

use belay_cockpit::api::Answer;
use belay_cockpit::wire::WaitingKind;
use insta::assert_snapshot;

use super::cast::{Stage, execution, form, found, runbook_page, waiting};
use crate::render::tests::{HOSTILE, assert_harmless};

const SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];

fn catalog(columns: u16, rows: u16) -> Stage {
    let mut stage = Stage::new(columns, rows);
    stage.type_text("slow");
    stage.answer("search", Answer::Search(Box::new(found(3, ""))));
    stage.answer("search", Answer::Search(Box::new(found(3, ""))));
    if stage.waits_for("runbook") {
        stage.answer("runbook", Answer::Runbook(Box::new(runbook_page(""))));
    }
    stage
}

fn runbook(columns: u16, rows: u16) -> Stage {
    let mut stage = catalog(columns, rows);
    stage.press("Enter");
    stage.answer("runbook", Answer::Runbook(Box::new(runbook_page(""))));
    stage
}

#[test]
fn the_first_picture_waits_for_nothing() {
    let stage = Stage::new(80, 24);
    assert_snapshot!(stage.screen());
}

#[test]
fn the_catalog_shows_hits_with_reasons_and_a_preview_where_there_is_room() {
    for (columns, rows) in SIZES {
        assert_snapshot!(format!("catalog_{columns}"), catalog(columns, rows).screen());
    }
}

#[test]
fn a_runbook_has_its_parts() {
    for (columns, rows) in SIZES {
        let mut stage = runbook(columns, rows);
        assert_snapshot!(format!("runbook_overview_{columns}"), stage.screen());
        stage.press("2");
        assert_snapshot!(format!("runbook_steps_{columns}"), stage.screen());
        stage.press("3");
        assert_snapshot!(format!("runbook_flow_{columns}"), stage.screen());
    }
}

#[test]
fn a_start_asks_for_values_and_says_what_is_in_the_way() {
    for (columns, rows) in SIZES {
        let mut stage = runbook(columns, rows);
        stage.press("r");
        stage.answer("form", Answer::Form(Box::new(form())));
        assert_snapshot!(format!("start_{columns}"), stage.screen());
    }
}

#[test]
fn an_execution_that_waits_for_an_approval_shows_what_matters_about_it() {
    for (columns, rows) in SIZES {
        let mut stage = Stage::on_execution(columns, rows, execution(""));
        assert_snapshot!(format!("approval_{columns}"), stage.screen());
        stage.press("a");
        assert_snapshot!(format!("approve_{columns}"), stage.screen());
    }
}

/// The name of a snapshot, what is waited for, and what there is to choose.
type Way = (&'static str, WaitingKind, &'static [(&'static str, &'static str)]);

#[test]
fn every_way_of_waiting_has_its_look() {
    let kinds: [Way; 6] = [
        ("manual", WaitingKind::Manual, &[]),
        ("decision", WaitingKind::Decision, &[("warm", "warm the cache"), ("stop", "do nothing")]),
        ("outcome", WaitingKind::Outcome, &[]),
        ("undo", WaitingKind::Undo, &[("retry", ""), ("by-hand", ""), ("leave", "")]),
        ("input", WaitingKind::Input, &[("pod", "web-1, web-2")]),
        ("checklist", WaitingKind::Checklist, &[("1", "the channel knows"), ("2", "the pager is quiet")]),
    ];
    for (name, kind, options) in kinds {
        assert_snapshot!(format!("waits_{name}"), Stage::on_execution(80, 24, waiting(kind, options)).screen());
    }
}

#[test]
fn failed_paused_and_left_executions_say_what_can_be_done() {
    let mut failed = execution("");
    failed.summary.status = "failed".to_owned();
    failed.summary.waiting_on.clear();
    failed.summary.error = Some("step `restart` failed: exit status 1".to_owned());
    failed.summary.finished_at = Some(failed.summary.started_at);
    failed.steps[1].status = "failed".to_owned();
    failed.steps[1].error = Some("exit status 1".to_owned());
    failed.steps[1].approval = None;
    assert_snapshot!("failed", Stage::on_execution(80, 24, failed).screen());
    let mut paused = execution("");
    paused.summary.status = "paused".to_owned();
    paused.summary.waiting_on.clear();
    assert_snapshot!("paused", Stage::on_execution(80, 24, paused).screen());
}

#[test]
fn a_rollback_shows_what_it_takes_back_in_its_order() {
    for (columns, rows) in SIZES {
        let mut stage = Stage::on_execution(columns, rows, execution(""));
        stage.press("u");
        assert_snapshot!(format!("rollback_{columns}"), stage.screen());
    }
}

#[test]
fn the_palette_and_the_keys_stand_in_front() {
    for (columns, rows) in SIZES {
        let mut stage = Stage::on_execution(columns, rows, execution(""));
        stage.press("C-k");
        assert_snapshot!(format!("palette_{columns}"), stage.screen());
        stage.press("Esc ?");
        assert_snapshot!(format!("help_{columns}"), stage.screen());
    }
}

#[test]
fn hostile_text_stays_text_in_every_place() {
    for (columns, rows) in SIZES {
        let mut stage = Stage::new(columns, rows);
        stage.answer("search", Answer::Search(Box::new(found(3, HOSTILE))));
        assert_harmless(&stage.screen(), columns.into());
        stage.press("Enter");
        while stage.waits_for("runbook") {
            stage.answer("runbook", Answer::Runbook(Box::new(runbook_page(HOSTILE))));
        }
        for part in ["1", "2", "3", "4"] {
            stage.press(part);
            assert_harmless(&stage.screen(), columns.into());
        }
        let mut stage = Stage::on_execution(columns, rows, execution(HOSTILE));
        assert_harmless(&stage.screen(), columns.into());
        for keys in ["a", "Esc C-k", "Esc Enter", "Esc x", "Esc u", "Esc ?"] {
            stage.press(keys);
            assert_harmless(&stage.screen(), columns.into());
        }
    }
}

#[test]
fn no_size_is_too_small_to_draw() {
    for (columns, rows) in [(1, 1), (2, 5), (10, 3), (20, 8), (40, 10), (300, 100)] {
        let mut stage = Stage::on_execution(columns, rows, execution(""));
        stage.screen();
        for keys in ["a", "Esc C-k", "Esc ?", "Esc o"] {
            stage.press(keys);
            stage.screen();
        }
        let mut stage = runbook(columns, rows);
        stage.screen();
        stage.press("r");
        stage.answer("form", Answer::Form(Box::new(form())));
        stage.screen();
    }
}
