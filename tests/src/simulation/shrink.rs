//! The shortest plan that still fails.

use super::plan::{Plan, Step};

/// Leaves out whatever can be left out, halves first, then less and less, and makes what stays simpler.
#[must_use]
pub fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut plan = plan.clone();
    let mut part = plan.steps.len().div_ceil(2);
    while part > 0 {
        let mut start = 0;
        let mut left_out = false;
        while start < plan.steps.len() {
            let mut shorter = plan.clone();
            let end = (start + part).min(shorter.steps.len());
            shorter.steps.drain(start..end);
            if fails(&shorter) {
                plan = shorter;
                left_out = true;
            } else {
                start += part;
            }
        }
        if !left_out || part > plan.steps.len() {
            part /= 2;
        }
    }
    for at in 0..plan.steps.len() {
        for simpler in simpler(&plan.steps[at]) {
            let mut candidate = plan.clone();
            candidate.steps[at] = simpler;
            if fails(&candidate) {
                plan = candidate;
            }
        }
    }
    plan
}

/// The same step with less in it.
fn simpler(step: &Step) -> Vec<Step> {
    let Step::Order {
        at,
        order,
        tries,
        cancel,
        pack,
    } = step
    else {
        return Vec::new();
    };
    let with = |tries, cancel, pack| Step::Order {
        at: *at,
        order: order.clone(),
        tries,
        cancel,
        pack,
    };
    vec![
        with(1, *cancel, *pack),
        with(*tries, None, *pack),
        with(*tries, *cancel, None),
    ]
}
