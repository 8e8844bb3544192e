//! Plays as many days of the shop as it is given, on all cores: `cargo soak [--schedules N | --minutes M] [--seed S]`.
//!
//! Schedule n is that of seed S + n. The first one that fails is printed with the shortest history found, and ends the
//! run with an error. Without arguments: 10,000 schedules from seed 0 on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use system_tests::simulation::{Plan, Played, play, shrink};

/// How much is to be played.
struct Course {
    first: u64,
    schedules: u64,
    until: Option<Instant>,
}

/// How much was played.
#[derive(Default)]
struct Tally {
    next: AtomicU64,
    played: AtomicU64,
    calls: AtomicU64,
    mishaps: AtomicU64,
    minutes: AtomicU64,
    has_failed: AtomicBool,
}

fn main() -> Result<()> {
    let course = Course::from_args(std::env::args().skip(1))?;
    let (tally, start) = (Tally::default(), Instant::now());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let players: Vec<_> = (0..cores)
            .map(|_| scope.spawn(|| course.play(&tally)))
            .collect();
        while !players.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(500));
            if start.elapsed().as_secs().is_multiple_of(30) {
                tally.tell(start);
                thread::sleep(Duration::from_millis(600));
            }
        }
    });
    tally.tell(start);
    if tally.has_failed.into_inner() {
        bail!("a schedule failed");
    }
    Ok(())
}

impl Course {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut course = Self {
            first: 0,
            schedules: 10_000,
            until: None,
        };
        while let Some(name) = args.next() {
            let value = args
                .next()
                .with_context(|| format!("{name} takes a number"))?;
            let number: u64 = value
                .parse()
                .with_context(|| format!("{name} {value} is no number"))?;
            match name.as_str() {
                "--seed" => course.first = number,
                "--schedules" => course.schedules = number,
                "--minutes" => {
                    course.until = Some(Instant::now() + Duration::from_mins(number));
                    course.schedules = u64::MAX;
                }
                other => bail!("{other} is not known: --schedules, --minutes, --seed"),
            }
        }
        Ok(course)
    }

    fn is_over(&self, number: u64) -> bool {
        number >= self.schedules || self.until.is_some_and(|until| Instant::now() >= until)
    }

    fn play(&self, tally: &Tally) {
        while !tally.has_failed.load(Ordering::Relaxed) {
            let number = tally.next.fetch_add(1, Ordering::Relaxed);
            if self.is_over(number) {
                return;
            }
            let plan = Plan::of_seed(self.first.wrapping_add(number));
            let played = run(&plan);
            tally.add(&played);
            if !played.violations.is_empty() && !tally.has_failed.swap(true, Ordering::Relaxed) {
                eprintln!("seed {}: {:#?}", plan.seed, played.violations);
                let shortest = shrink(&plan, |plan| !run(plan).violations.is_empty());
                let left = run(&shortest).violations;
                eprintln!("The shortest history found:\n{shortest}\n{left:#?}");
            }
        }
    }
}

impl Tally {
    fn add(&self, played: &Played) {
        let add = |to: &AtomicU64, number: usize| {
            to.fetch_add(u64::try_from(number).unwrap_or_default(), Ordering::Relaxed);
        };
        add(&self.played, 1);
        add(&self.calls, played.calls);
        add(&self.mishaps, played.mishaps);
        self.minutes
            .fetch_add(played.lasted.as_secs() / 60, Ordering::Relaxed);
    }

    fn tell(&self, start: Instant) {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (played, seconds) = (read(&self.played), start.elapsed().as_secs().max(1));
        println!(
            "{played} schedules in {seconds} s ({} a minute): {} calls, {} of them went wrong, {} virtual hours",
            played * 60 / seconds,
            read(&self.calls),
            read(&self.mishaps),
            read(&self.minutes) / 60,
        );
    }
}

/// Plays a plan on a runtime of its own, whose clock is paused.
fn run(plan: &Plan) -> Played {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(play(plan))
}
