package example;

/** Needs a class that is elsewhere. */
public class UsesShared {
    public String handle(Object event) {
        return Shared.who();
    }
}
