import { configureGlobal } from 'fast-check';

// Otherwise nothing is longer than ten, whatever the longest may be.
configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

export * from 'fast-check';
