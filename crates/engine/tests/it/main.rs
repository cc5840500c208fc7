//! The engine over a store in memory and a provider whose every delta a test says by hand. Time is paused:
//! it moves only when nothing else can, so nothing here depends on how fast the machine is.

mod assist;
mod ending;
mod house;
mod knowing;
mod starting;
mod viewing;
mod writing;
