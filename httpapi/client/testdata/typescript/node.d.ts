// All of node that the sample needs.
declare const process: { argv: string[] }
