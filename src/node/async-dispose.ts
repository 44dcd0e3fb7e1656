/** `Symbol.asyncDispose` as the library of TypeScript has it from 5.2 on, for projects that do not load that part of it. */
export {};

declare global {
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}
