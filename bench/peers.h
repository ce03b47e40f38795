/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Others that could keep the same records: SQLite, and a file of libpcap's kind.
 */
#ifndef VMT_BENCH_PEERS_H
#define VMT_BENCH_PEERS_H

/** Write a session's records with each, and print speed and size beside the trace's. */
void bench_peers(unsigned reads, const char *name);

#endif /* VMT_BENCH_PEERS_H */
