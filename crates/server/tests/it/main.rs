//! The server from outside its modules: routers without a socket, and the edge on real ones (port 0).

mod auth;
mod edge;
mod layers;
