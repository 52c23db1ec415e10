//! What commands and pages both do: the deeds themselves, with typed errors, and no words for people.

pub mod account;
pub mod alias;
pub mod backup;
pub mod certificate;
pub mod checked;
pub mod device;
pub mod domain;
pub mod owner;
pub mod room;
pub mod settings;
pub mod survey;
