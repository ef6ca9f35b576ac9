/** Loaded before a program: it ends when its parent does, however that came about. */
process.on('disconnect', () => process.exit());
// Listening keeps no program alive that has ended otherwise.
process.channel?.unref();
