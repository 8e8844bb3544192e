//! `dashpot-testing`
