//! Showing people what takes long.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress is shown.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    shown: bool,
}

/// Something that is under way.
pub(crate) struct Underway {
    bar: ProgressBar,
    what: String,
    since: Instant,
    shown: bool,
}

impl Progress {
    /// On standard error, moving if that is a terminal.
    pub(crate) fn to_stderr() -> Progress {
        Progress { shown: true }
    }

    /// Nowhere.
    pub(crate) fn silent() -> Progress {
        Progress { shown: false }
    }

    /// Something begins.
    pub(crate) fn begin(&self, what: &str) -> Underway {
        let target = if self.shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Underway { bar, what: what.to_owned(), since: Instant::now(), shown: self.shown }
    }

    /// Says something that stays.
    pub(crate) fn say(&self, text: &str) {
        if self.shown {
            eprintln!("  {text}");
        }
    }

    /// Says something that matters only to who asked for details.
    pub(crate) fn detail(&self, text: &str) {
        if self.shown {
            tracing::debug!("{text}");
        }
    }
}

impl Underway {
    /// What it does at the moment.
    pub(crate) fn say(&self, text: &str) {
        self.bar.set_message(format!("{}: {text}", self.what));
    }

    /// It is done; says so, with the time it took.
    pub(crate) fn end(self, what: &str) {
        self.bar.finish_and_clear();
        if self.shown {
            eprintln!("  {what} ({:.1} s)", self.since.elapsed().as_secs_f64());
        }
    }
}
