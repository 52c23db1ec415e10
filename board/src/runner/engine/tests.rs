//! The engine in virtual time: patterns, presses, failures and their end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use super::*;
use crate::backend::Contact;
use crate::backend::sim::Board;
use crate::pattern::Count;
use crate::press::Press;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

type Log = Arc<Mutex<Vec<Event>>>;

struct Bench {
    engine: Engine,
    now: u64,
    log: Log,
    turns: u32,
}

impl Bench {
    fn on(hardware: Box<dyn Hardware>) -> Self {
        let log = Log::default();
        let kept = Arc::clone(&log);
        let on_event = Box::new(move |event| kept.lock().unwrap().push(event));
        let mut bench = Self {
            engine: Engine::new(hardware, on_event, Arc::default(), ms(0)),
            now: 0,
            log,
            turns: 0,
        };
        bench.advance(100);
        bench
    }

    /// Lets time pass until `to`, taking a turn whenever the engine wants one, and one at the end.
    fn advance(&mut self, to: u64) {
        loop {
            let next = self.engine.turn(ms(self.now));
            self.turns += 1;
            let Some(next) = next.filter(|next| *next <= ms(to)) else {
                break;
            };
            self.now = u64::try_from(next.as_millis()).unwrap().max(self.now);
        }
        self.now = to;
        self.engine.turn(ms(to));
    }

    fn show(&mut self, pattern: Pattern) {
        self.engine.show(pattern, ms(self.now));
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn how(&self) -> String {
        self.engine.how.lock().unwrap().clone()
    }

    /// What the board's LED shows, one character per 100 ms.
    fn draw(&mut self, board: &Board, count: u64) -> String {
        let from = self.now;
        let look = |bench: &mut Self, i| {
            bench.advance(from + i * 100);
            if board.is_lit() { '#' } else { '.' }
        };
        (0..count).map(|i| look(self, i)).collect()
    }
}

fn bench() -> (Board, Bench) {
    let board = Board::new().unwrap();
    let bench = Bench::on(Box::new(board.clone()));
    (board, bench)
}

#[test]
fn plays_the_pattern_on_the_pin() {
    let (board, mut bench) = bench();
    bench.show(Pattern::Flashes(Count::Three));
    let group = format!("##...##...##{}", ".".repeat(20));
    assert_eq!(bench.draw(&board, 64), group.repeat(2));
}

#[test]
fn wants_no_turn_while_nothing_happens() {
    let (_board, mut bench) = bench();
    bench.show(Pattern::Steady);
    bench.advance(1_000);
    assert_eq!(bench.engine.turn(ms(bench.now)), None);
    bench.turns = 0;
    bench.show(Pattern::Quiet);
    bench.advance(61_000);
    assert!(bench.turns <= 7, "{} turns in a minute", bench.turns);
}

#[test]
fn the_led_answers_the_finger() {
    let (board, mut bench) = bench();
    bench.show(Pattern::Steady);
    bench.advance(1_000);
    board.contact(Level::Pressed, ms(1_000));
    bench.advance(1_100);
    assert!(!board.is_lit(), "felt");
    bench.advance(4_500);
    assert!(board.is_lit(), "held for 3 s");
    bench.advance(11_000);
    assert_eq!(
        bench.draw(&board, 18),
        ".....###...###...#",
        "held for 10 s"
    );
    board.contact(Level::Released, ms(bench.now));
    bench.advance(bench.now + 1_000);
    assert!(board.is_lit(), "as before");
    let (hold, long) = (Event::Threshold(Hold::Hold), Event::Threshold(Hold::Long));
    assert_eq!(
        bench.events(),
        [Event::Down, hold, long, Event::Press(Press::Long)]
    );
}

#[test]
fn a_pattern_set_while_the_button_is_down_comes_after() {
    let (board, mut bench) = bench();
    bench.advance(1_000);
    board.contact(Level::Pressed, ms(1_000));
    bench.advance(1_500);
    bench.show(Pattern::Steady);
    bench.advance(2_000);
    assert!(!board.is_lit());
    board.contact(Level::Released, ms(2_000));
    bench.advance(3_000);
    assert!(board.is_lit());
}

#[test]
fn a_command_presses_as_long_as_it_says() {
    let (_board, mut bench) = bench();
    let (hold, long) = (Event::Threshold(Hold::Hold), Event::Threshold(Hold::Long));
    for (seconds, expected) in [
        (1, vec![Event::Down, Event::Press(Press::Short)]),
        (3, vec![Event::Down, hold, Event::Press(Press::Hold)]),
        (10, vec![Event::Down, hold, long, Event::Press(Press::Long)]),
        (
            20,
            vec![Event::Down, hold, long, Event::Stuck, Event::Freed],
        ),
    ] {
        bench.engine.press(ms(seconds * 1_000));
        bench.advance(bench.now + 30_000);
        assert_eq!(bench.events(), expected, "{seconds} s");
    }
}

#[test]
fn a_command_on_a_stuck_button_is_told_so() {
    let board = Board::new().unwrap();
    board.contact(Level::Pressed, ms(0));
    let mut bench = Bench::on(Box::new(board));
    assert_eq!(bench.events(), [Event::Stuck]);
    bench.engine.press(ms(100));
    bench.advance(1_000);
    assert_eq!(bench.events(), [Event::Stuck]);
}

#[test]
fn pulled_wires_are_tried_again_until_they_are_back() {
    let (board, mut bench) = bench();
    bench.show(Pattern::Even);
    bench.advance(1_000);
    board.unplug();
    bench.advance(30_000);
    assert!(bench.how().starts_with("no LED: "), "{}", bench.how());
    assert!(bench.how().contains("no button: "), "{}", bench.how());
    board.plug();
    bench.advance(100_000);
    assert_eq!(bench.how(), "LED simulated; button simulated");
    let before = board.changes();
    bench.advance(110_000);
    assert_eq!(board.changes() - before, 20);
    board.contact(Level::Pressed, ms(110_000));
    bench.advance(110_100);
    board.contact(Level::Released, ms(110_100));
    bench.advance(111_000);
    assert_eq!(bench.events(), [Event::Down, Event::Press(Press::Short)]);
}

#[test]
fn steady_light_comes_back_too() {
    let (board, mut bench) = bench();
    bench.show(Pattern::Steady);
    bench.advance(1_000);
    board.unplug();
    bench.advance(2_000);
    assert!(bench.how().starts_with("no LED: "), "{}", bench.how());
    board.plug();
    bench.advance(100_000);
    assert_eq!(bench.how(), "LED simulated; button simulated");
    assert!(board.is_lit());
}

#[test]
fn an_outage_costs_few_turns() {
    let (board, mut bench) = bench();
    board.unplug();
    bench.turns = 0;
    bench.advance(600_000);
    assert!(bench.turns < 40, "{} turns in ten minutes", bench.turns);
}

#[test]
fn a_press_during_which_the_button_fails_is_forgotten() {
    let (board, mut bench) = bench();
    bench.advance(1_000);
    board.contact(Level::Pressed, ms(1_000));
    bench.advance(5_000);
    bench.events();
    board.unplug();
    bench.advance(6_000);
    board.plug();
    bench.advance(60_000);
    assert_eq!(bench.events(), [Event::Stuck], "it is down from the start");
}

/// A board whose button has to be asked.
struct Asked {
    board: Board,
    pressed: Arc<AtomicBool>,
}

impl Contact for Arc<AtomicBool> {
    fn level(&mut self) -> Result<Level, Error> {
        Ok(Level::from(self.load(Ordering::Relaxed)))
    }
}

impl Hardware for Asked {
    fn open_led(&mut self) -> Result<Opened<Box<dyn Led>>, Error> {
        self.board.open_led()
    }

    fn open_button(&mut self) -> Result<Opened<Button>, Error> {
        Ok(Opened {
            part: Button::Polled(Box::new(Arc::clone(&self.pressed))),
            how: String::new(),
        })
    }
}

#[test]
fn a_button_without_edges_is_asked() {
    let pressed = Arc::new(AtomicBool::new(false));
    let hardware = Asked {
        board: Board::new().unwrap(),
        pressed: Arc::clone(&pressed),
    };
    let mut bench = Bench::on(Box::new(hardware));
    for (at, level) in [(1_000, true), (1_100, false)] {
        bench.advance(at);
        pressed.store(level, Ordering::Relaxed);
    }
    bench.advance(2_000);
    assert_eq!(bench.events(), [Event::Down, Event::Press(Press::Short)]);
}

fn all(receiver: &Receiver<Shown>) -> Vec<bool> {
    receiver.try_iter().map(|shown| shown.lit).collect()
}

#[test]
fn watchers_see_every_change_and_may_leave() {
    let (_board, mut bench) = bench();
    let (sender, receiver) = sync_channel(8);
    bench.engine.watch(sender, ms(bench.now));
    bench.show(Pattern::Even);
    bench.advance(bench.now + 1_700);
    assert_eq!(all(&receiver), [false, true, false, true, false]);
    drop(receiver);
    bench.advance(bench.now + 1_000);
    assert!(bench.engine.watchers.is_empty());
}

#[test]
fn a_watcher_that_sleeps_holds_nothing_up() {
    let (board, mut bench) = bench();
    let (sender, receiver) = sync_channel(2);
    bench.engine.watch(sender, ms(bench.now));
    bench.show(Pattern::Even);
    bench.advance(bench.now + 10_000);
    assert!(board.changes() >= 20);
    assert_eq!(all(&receiver).len(), 2);
    bench.advance(bench.now + 600);
    assert_eq!(all(&receiver).len(), 1);
}
