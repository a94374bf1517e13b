/* commands.h -- the subcommands
 *
 * Each takes what follows the program's name (argv[0] is the subcommand) and returns the exit code.
 *
 * Shapes     as main's
 * Units      exit codes: 0 done, 1 a clean no, else sysexits.h
 * Ownership  argv stays the caller's; getopt may permute it
 * Threads    the main one
 * Errors     told on stderr before returning
 * Source     DESIGN 11
 */
#ifndef BOUNCELINE_COMMANDS_H
#define BOUNCELINE_COMMANDS_H

int cmd_run(int argc, char **argv);
int cmd_scan(int argc, char **argv);
int cmd_classify(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_rules(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_suppress(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_check_config(int argc, char **argv);

#endif
