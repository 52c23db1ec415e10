//! The panel's thread on a simulated board.

use std::sync::mpsc::channel;

use super::*;
use crate::backend::sim::Board;
use crate::press::{Level, Press};

const SOON: Duration = Duration::from_mins(2);

fn start(board: &Board) -> (Panel, Receiver<Event>) {
    let (sender, events) = channel();
    let on_event = Box::new(move |event| sender.send(event).unwrap());
    (
        Panel::start_on(Box::new(board.clone()), on_event).unwrap(),
        events,
    )
}

fn wait_for(shown: &Receiver<Shown>, expected: Shown) {
    while shown.recv_timeout(SOON).unwrap() != expected {}
}

#[test]
fn a_pattern_reaches_the_led_and_stopping_makes_it_dark() {
    let board = Board::new().unwrap();
    let (panel, _events) = start(&board);
    let shown = panel.watch();
    panel.show(Pattern::Steady);
    wait_for(
        &shown,
        Shown {
            lit: true,
            pattern: Pattern::Steady,
        },
    );
    assert!(board.is_lit());
    assert_eq!(panel.how(), "LED simulated; button simulated");
    panel.stop();
    assert!(!board.is_lit());
    assert!(
        shown.recv_timeout(SOON).is_err(),
        "a watcher hears of the end"
    );
}

#[test]
fn dropping_the_last_handle_makes_the_led_dark() {
    let board = Board::new().unwrap();
    let (panel, _events) = start(&board);
    let other = panel.clone();
    other.show(Pattern::Steady);
    drop(panel);
    let shown = other.watch();
    while !shown.recv_timeout(SOON).unwrap().lit {}
    drop(other);
    assert!(!board.is_lit());
}

#[test]
fn a_press_at_once_after_the_start_counts() {
    let board = Board::new().unwrap();
    let (panel, events) = start(&board);
    panel.press(Duration::from_millis(60));
    let found: Vec<Event> = (0..2).map(|_| events.recv_timeout(SOON).unwrap()).collect();
    assert_eq!(found, [Event::Down, Event::Press(Press::Short)]);
}

#[test]
fn an_edge_wakes_the_thread() {
    let board = Board::new().unwrap();
    let (panel, events) = start(&board);
    // The thread has seen the released button when it answers this one.
    panel.press(Duration::from_millis(30));
    while events.recv_timeout(SOON).unwrap() != Event::Press(Press::Short) {}
    board.contact(Level::Pressed, monotonic());
    assert_eq!(events.recv_timeout(SOON).unwrap(), Event::Down);
    board.contact(Level::Released, monotonic());
    assert_eq!(
        events.recv_timeout(SOON).unwrap(),
        Event::Press(Press::Short)
    );
}

#[test]
fn a_panic_on_the_thread_makes_the_led_dark() {
    let board = Board::new().unwrap();
    let on_event = Box::new(|_: Event| panic!("expected by the test"));
    let panel = Panel::start_on(Box::new(board.clone()), on_event).unwrap();
    panel.show(Pattern::Steady);
    let shown = panel.watch();
    while !shown.recv_timeout(SOON).unwrap().lit {}
    panel.press(Duration::from_millis(50));
    while shown.recv_timeout(SOON).is_ok() {}
    panel.stop();
    assert!(!board.is_lit());
}
