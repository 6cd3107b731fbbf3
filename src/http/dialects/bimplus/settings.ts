export interface BimplusSettings {
  /**
   * True: a selection is refused also where `withChildren` is left out, since it is true by default. The vendor's
   * page says so in one place and shows the opposite in another; its own client leaves the parameter out.
   */
  readonly refusesSelectionsByDefault: boolean
}
